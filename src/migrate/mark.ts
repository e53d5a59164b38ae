/** The argument by which a shim says where its socket is. One of version 0.1.0 that runs through an upgrade of a checkout gives the old one. */

const MARK = /^@(?:shim|front)=(\d+)$/;

/** Descriptor of the socket; null: the argument is no mark. */
export function descriptorOf(argument: string): number | null {
  const found = MARK.exec(argument)?.[1];
  return found === undefined ? null : Number(found);
}
