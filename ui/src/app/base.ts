// Owns where the page and its API are, derived from where this script was loaded. Must not know any route.
// A <base> element is forbidden by the content policy, so the script's own address is the only witness
// of a path prefix.

/** The path the installation lives under, always with a trailing slash: `/` or `/lab/onstage/`. */
// The development server serves every source file from its own folder, and the page from the root.
export const basePath: string = import.meta.env.DEV ? '/' : scriptBase(import.meta.url);

export function scriptBase(script: string): string {
  return new URL('../', script).pathname;
}

/** An address of the API or the page, from a path without a leading slash. */
export function at(path: string): string {
  return basePath + path.replace(/^\/+/, '');
}

/** A link that the server gave, made usable: absolute addresses of another origin are refused. */
export function resolveLink(
  link: string,
  base = basePath,
  origin = globalThis.location?.origin,
): string | null {
  if (/^(data|blob):/i.test(link)) return link;
  if (link.startsWith('/') && !link.startsWith('//'))
    return link.startsWith(base) ? link : base + link.slice(1);
  try {
    const url = new URL(link, origin);
    return url.origin === origin ? url.pathname + url.search : null;
  } catch {
    return null;
  }
}

/** The routers' base: without the trailing slash. */
export const routerBase: string = basePath.replace(/\/$/, '');
