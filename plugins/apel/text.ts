/**
 * Names that users choose, made fit for APEL: SSM sends ASCII only, a message is cut at each `%%`, a line ends a value, and `none` is no value
 * (apel 2.5.0 db/records/record.py, ssm 4.0.0). Pure.
 */

import {createHash} from 'node:crypto';

/** A text that APEL's loader takes. */
export interface Fitted {
  text: string;
  /** Whether the text was changed. */
  changed: boolean;
}

/** Length of the digest that tells apart two long names with the same beginning. */
const DIGEST = 16;

/** @returns null when nothing is left of it */
export function fit(value: string | null, longest: number): Fitted | null {
  if (value === null) return null;
  let text = value
    .normalize('NFKD')
    .replaceAll(/\p{M}/gu, '')
    .replaceAll(/[\p{Cc}\p{Zl}\p{Zp}]/gu, ' ')
    .replaceAll(/[^\x20-\x7E]/gu, '?')
    .replaceAll(/%{2,}/g, '%')
    .trim();
  if (/^(none|null)$/i.test(text)) text = `${text}_`;
  if (text.length > longest) text = `${text.slice(0, longest - DIGEST - 1).trimEnd()}~${digest(value)}`;
  if (text === '') return null;
  return {text, changed: text !== value};
}

const digest = (value: string): string => createHash('sha256').update(value).digest('hex').slice(0, DIGEST);
