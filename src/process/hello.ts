/** The shim's first frame: the caller's process and descriptors, and what has happened already. */

import type {HelloFrame} from '../schema/generated/protocol.js';
import {environmentOf} from './environ.js';
import type {Frame} from './channel.js';

/**
 * `state`: `fresh`: the first supervisor, or as good as; `prepared`: one died before it launched anything; else this supervisor follows one
 * that died.
 */
export interface Hello extends Omit<HelloFrame, 'name' | 'argv' | 'environment'> {
  argv: string[];
  environment: Record<string, string>;
}

/** @throws Error when the frame is not a hello */
export function parseHello(frame: Frame): Hello {
  if (frame.name !== 'hello') throw new Error('no hello from the shim');
  const {name: _, argv, environment, ...rest} = frame;
  return {...rest, argv: [...argv], environment: environmentOf(environment)};
}
