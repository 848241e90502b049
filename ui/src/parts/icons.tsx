// Owns the drawings: one stroke, the colour of the text around them. Must not know what they stand for.
import type { ReactNode } from 'react';

function Icon({ children, size = 18 }: { children: ReactNode; size?: number }) {
  return (
    <svg
      width={size}
      height={size}
      viewBox="0 0 24 24"
      fill="none"
      stroke="currentColor"
      strokeWidth="1.75"
      strokeLinecap="round"
      strokeLinejoin="round"
      aria-hidden="true"
    >
      {children}
    </svg>
  );
}

export const UpIcon = () => (
  <Icon>
    <path d="M7 11v9H4v-9zM7 11l4-8a2.4 2.4 0 0 1 2.4 3L13 9h5.5a2 2 0 0 1 2 2.4l-1.3 7a2 2 0 0 1-2 1.6H7" />
  </Icon>
);
export const DownIcon = () => (
  <Icon>
    <path d="M17 13V4h3v9zM17 13l-4 8a2.4 2.4 0 0 1-2.4-3L11 15H5.500a2 2 0 0 1-2-2.400l1.300-7a2 2 0 0 1 2-1.600H17" />
  </Icon>
);
export const LinkIcon = () => (
  <Icon>
    <path d="M10 14a4 4 0 0 0 6 .4l3-3a4 4 0 0 0-5.700-5.700l-1.300 1.300M14 10a4 4 0 0 0-6-.4l-3 3a4 4 0 0 0 5.700 5.700l1.300-1.300" />
  </Icon>
);
export const AgainIcon = () => (
  <Icon>
    <path d="M4 12a8 8 0 1 0 2.600-5.900L4 8.500M4 4v4.500h4.500" />
  </Icon>
);
export const DownloadIcon = () => (
  <Icon>
    <path d="M12 4v11m0 0-4-4m4 4 4-4M5 19h14" />
  </Icon>
);
export const UploadIcon = () => (
  <Icon size={24}>
    <path d="M12 16V5m0 0L8 9m4-4 4 4M5 19h14" />
  </Icon>
);
export const ArrowIcon = () => (
  <Icon size={16}>
    <path d="M5 12h14m-5-5 5 5-5 5" />
  </Icon>
);
export const PenIcon = () => (
  <Icon>
    <path d="M4 20l1-4L16 5l3 3L8 19zM14 7l3 3" />
  </Icon>
);
export const CameraIcon = () => (
  <Icon>
    <path d="M4 8h3l2-3h6l2 3h3v11H4z" />
    <circle cx="12" cy="13" r="3.500" />
  </Icon>
);

export function Mark() {
  return (
    <svg width="26" height="26" viewBox="0 0 32 32" aria-hidden="true" className="mark">
      <path d="M12.500 3h7L28 24H4z" className="mark-beam" />
      <ellipse cx="16" cy="24.500" rx="12" ry="4" className="mark-floor" />
      <circle cx="16" cy="4" r="3" className="mark-floor" />
    </svg>
  );
}
