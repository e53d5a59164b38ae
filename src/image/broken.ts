/** Why an image cannot be unpacked: the image, or the node. */

/** The image cannot be used, wherever: what is wrong with it. */
export class BrokenImage extends Error {}
/** This node cannot unpack it: what is lacking. */
export class CannotUnpack extends Error {}
