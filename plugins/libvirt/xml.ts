/** Texts of XML 1.0. */

/** Tabs and ends of lines too: libvirtd writes the domain once more for its process of the box, as they are, and there they become blanks (XML 1.0, 3.3.3). */
const NOT_HELD = /[\u0000-\u001f\ufffe\uffff]|\p{Cs}/u;

/**
 * A text in an element or an attribute.
 * @throws Error where XML cannot hold it (XML 1.0, 2.2), or libvirt does not keep it
 */
export function xmlText(text: string): string {
  if (NOT_HELD.test(text))
    throw new Error(`libvirt cannot be told ${JSON.stringify(text)}: it keeps no control characters, tabs or ends of lines`);
  return text.replaceAll(/[&<>"'\p{Cc}]/gu, (character) => `&#${String(character.codePointAt(0))};`);
}
