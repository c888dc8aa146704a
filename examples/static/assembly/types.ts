/** What is in a file, by the end of its name. */

/** The `Content-Type` of a path. */
export function typeOf(path: string): string {
  const dot = path.lastIndexOf('.');
  if (dot <= path.lastIndexOf('/')) return 'application/octet-stream';
  return typeOfExtension(path.substring(dot + 1).toLowerCase());
}

function typeOfExtension(extension: string): string {
  if (extension == 'html' || extension == 'htm') return 'text/html; charset=utf-8';
  if (extension == 'css') return 'text/css; charset=utf-8';
  if (extension == 'js' || extension == 'mjs') return 'text/javascript; charset=utf-8';
  if (extension == 'json' || extension == 'map') return 'application/json';
  if (extension == 'txt' || extension == 'md') return 'text/plain; charset=utf-8';
  if (extension == 'svg') return 'image/svg+xml';
  if (extension == 'png') return 'image/png';
  if (extension == 'jpg' || extension == 'jpeg') return 'image/jpeg';
  if (extension == 'gif') return 'image/gif';
  if (extension == 'webp') return 'image/webp';
  if (extension == 'ico') return 'image/x-icon';
  if (extension == 'woff2') return 'font/woff2';
  if (extension == 'wasm') return 'application/wasm';
  if (extension == 'pdf') return 'application/pdf';
  if (extension == 'xml') return 'application/xml';
  if (extension == 'mp4') return 'video/mp4';
  return 'application/octet-stream';
}
