/** Texts of XML 1.0. */

const NOT_HELD = /[\u0000-\u0008\u000b\u000c\u000e-\u001f\ufffe\uffff]|\p{Cs}/u;

/**
 * A text in an element or an attribute. What a parser would change, such as line ends and tabs, is a reference (XML 1.0, 2.11 and 3.3.3).
 * @throws Error where XML cannot hold it (XML 1.0, 2.2)
 */
export function xmlText(text: string): string {
  if (NOT_HELD.test(text)) throw new Error(`libvirt reads XML, which cannot hold ${JSON.stringify(text)}`);
  return text.replaceAll(/[&<>"'\p{Cc}]/gu, (character) => `&#${String(character.codePointAt(0))};`);
}
