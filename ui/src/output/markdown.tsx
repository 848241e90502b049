// Owns Markdown on the screen: no raw HTML, no images or links outside this installation loaded. Must not
// know whose text it is.
import Markdown from 'react-markdown';
import gfm from 'remark-gfm';
import { resolveLink } from '../app/base';

export default function MarkdownText({ text }: { text: string }) {
  return (
    <div className="prose">
      <Markdown
        remarkPlugins={[gfm]}
        skipHtml
        urlTransform={(url) => url}
        components={{
          img: ({ src, alt }) => {
            const link = typeof src === 'string' ? resolveLink(src) : null;
            return link ? (
              <img src={link} alt={alt ?? ''} />
            ) : (
              <span className="fine">[{alt || 'image'}]</span>
            );
          },
          a: ({ href, children }) =>
            /^(https?:|mailto:)/i.test(href ?? '') ? (
              <a href={href} rel="noreferrer noopener" target="_blank">
                {children}
              </a>
            ) : (
              <span>{children}</span>
            ),
        }}
      >
        {text}
      </Markdown>
    </div>
  );
}
