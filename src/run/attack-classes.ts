/** Classes of holes that sandboxes had, and how each is tried. */

import type {Evil} from './attack-place.js';

/** Name of an engine; `none`: no box. */
export type AttackedEngine = string;

/** A row of doctor's report on attacks. */
export interface TriedAttack {
  /** Of the class. */
  name: string;
  /** Holes of that class, by their numbers. */
  numbers: readonly string[];
  engine: AttackedEngine;
  result: 'held' | 'open' | 'not tried';
  /** What was tried. */
  tried: string;
  /** What got through, or why nothing was tried; null: it is held, and there is no more to say. */
  found: string | null;
}

type Section = 'directories' | 'runtime' | 'program' | 'terminal' | 'sockets';

/** A class of holes and how it is tried. */
export interface Attack {
  name: string;
  numbers: readonly string[];
  /** In which lines of the payload its answer is; or which image it is made of. */
  by: Section | Evil | 'setuid';
  tried: string;
}

/** Each number is tried by the suite of attacks too. */
export const CLASSES: readonly Attack[] = [
  {
    ...{name: 'leaked directories', numbers: ['CVE-2024-21626'], by: 'directories'},
    tried: 'the payload looks among its descriptors for directories that the caller had open, and goes up from its work directory',
  },
  {
    ...{name: 'the runtime’s descriptors', numbers: ['CVE-2016-9962'], by: 'runtime'},
    tried:
      'the payload traces process 1, and in a box that is no small machine what joins it, reads their memory and takes their descriptors',
  },
  {
    ...{name: 'own program', numbers: ['CVE-2019-5736'], by: 'program'},
    tried: 'what runs in the box opens by /proc/PID/exe, for writing, the programs of the node that are executed there',
  },
  {
    ...{name: 'terminal', numbers: ['CVE-2017-5226'], by: 'terminal'},
    tried: 'the payload types into the terminal that its box was started at (TIOCSTI)',
  },
  {
    ...{name: 'abstract sockets', numbers: ['CVE-2020-15257'], by: 'sockets'},
    tried: 'the payload of a job without a network connects to an abstract socket of the node',
  },
  {
    ...{name: 'devices that are links', numbers: ['CVE-2025-31133', 'CVE-2025-52565'], by: 'devices'},
    tried: 'in the image /dev/null, /dev/console and /dev/pts are links to the node',
  },
  {
    ...{name: 'files of the kernel that are links', numbers: ['CVE-2025-52881'], by: 'kernel'},
    tried: 'in the image /proc and /sys are links to the node, and the payload opens what is to be hidden or read-only there',
  },
  {
    ...{name: 'places that are links', numbers: ['CVE-2026-87766'], by: 'places'},
    tried:
      'in the image /dev, /etc, /run, /tmp and what is above the work directory are links to the node; an engine is also called by itself',
  },
  {
    ...{name: 'setuid engine', numbers: ['CVE-2026-41163'], by: 'setuid'},
    tried: 'an account takes hold of the helper of an engine that has more rights than its caller',
  },
];
