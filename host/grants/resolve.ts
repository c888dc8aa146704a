/** Rules about names: what `--allow-resolve` says, as plain data. */
import { usageError } from '../usage.js';

/** The longest name, in characters (RFC 1035, without the dot at its end). */
export const NAME_MAX = 253;

/**
 * Reads a GLOB of names: letters, digits, `-`, `_` and `.`, in any case, and `*` for any
 * characters. Anything else is a `UsageError`.
 */
export function parseResolveRule(text: string): string {
  if (/^[\w.*-]+$/.test(text) && text.length <= NAME_MAX) return canonicalName(text);
  throw usageError(
    `--allow-resolve=${text}: not a name, or a pattern of names; ` +
      'write it as in --allow-resolve=*.example.com',
  );
}

/** A name as rules are compared with it: in lower case, without the dot at its end. */
export function canonicalName(name: string): string {
  return name.toLowerCase().replace(/(?<=.)\.$/, '');
}

/** Whether `text` is a host name at all: what is none is never looked up (NUL, spaces, IDN). */
export function isName(text: string): boolean {
  const plain = canonicalName(text);
  return plain.length <= NAME_MAX && /^[\w-]{1,63}(?:\.[\w-]{1,63})*$/.test(plain);
}

/** Whether some rule of `--allow-resolve` is about the name. */
export function allowsName(rules: readonly string[], name: string): boolean {
  const plain = canonicalName(name);
  return rules.some((rule) => {
    const pattern = rule.split('*').map((part) => part.replaceAll('.', String.raw`\.`));
    return new RegExp(`^${pattern.join('.*')}$`).test(plain);
  });
}
