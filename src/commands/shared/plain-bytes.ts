/** Makes bytes of foreign origin safe for a terminal. */

const QUESTION = 0x3f;
const NEWLINE = 0x0a;
const TAB = 0x09;
/** C0 controls are below the blank; a C1 control is two bytes in UTF-8, and the second can come in the next piece. */
const BLANK = 0x20;
const DELETE = 0x7f;
const C1 = {lead: 0xc2, first: 0x80, last: 0x9f} as const;

/** What could steer the terminal becomes `?`; as many bytes as there were. */
export function withoutControls(): (bytes: Buffer) => Buffer {
  let before = 0;
  return (bytes) => {
    const clean = Buffer.from(bytes);
    for (const [index, byte] of bytes.entries()) {
      const isC0 = byte < BLANK && byte !== NEWLINE && byte !== TAB;
      const isC1 = before === C1.lead && byte >= C1.first && byte <= C1.last;
      if (isC0 || isC1 || byte === DELETE) clean[index] = QUESTION;
      before = byte;
    }
    return clean;
  };
}
