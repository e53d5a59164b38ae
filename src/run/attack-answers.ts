/** From what was heard of an attack to whether it is held. */

import type {Attack, AttackedEngine, TriedAttack} from './attack-classes.js';
import type {Evil} from './attack-place.js';

/** A text for people is cut there. */
export const MOST_WORDS = 300;

/** What a payload has said. */
export interface Heard {
  /** Lines by their section; of an evil image they have none. */
  lines: {section: string; word: string; what: string}[];
  /** Why there is nothing more to be heard. */
  because: string;
}

/** The result of one attack on one engine. */
export type Answer = Pick<TriedAttack, 'result' | 'found'>;

/** One row of the report. */
export const row = ({name, numbers, tried}: Attack, engine: AttackedEngine, answered: Answer): TriedAttack => ({
  ...{name, numbers, engine, tried},
  ...answered,
});

/** `made`: on the node, where a link of the image leads. */
interface OfImage extends Heard {
  made: string[];
}

/** What was heard from inside of a box, and of each evil image. */
export interface Found {
  heard: Heard;
  evil: Partial<Record<Evil, OfImage>>;
  setuid: Answer;
}

/** @param found why */
export const notTried = (found: string): Answer => ({result: 'not tried', found});

/** Whether an attack is held by an engine. @param found what was heard there; a text: why nothing was tried */
export function answer({by}: Attack, engine: AttackedEngine, found: Found | string | undefined): Answer {
  if (typeof found === 'string' || found === undefined) return notTried(found ?? 'it is not there');
  if (engine === 'none' && by !== 'terminal') return notTried('without a box a payload reaches all that its account reaches');
  if (by === 'setuid') return found.setuid;
  if (by === 'devices' || by === 'kernel' || by === 'places') return ofImage(found.evil[by], Object.values(found.evil));
  const {heard} = found;
  const lines = heard.lines.filter(({section}) => section === by);
  // whether something was typed is seen from outside
  if (by === 'terminal' && !lines.some(({word}) => word === 'INFO')) return notTried(heard.because);
  return ofLines(lines) ?? notTried(lines.find(({word}) => word === 'INFO')?.what ?? heard.because);
}

/** Before the words of an attack that could try nothing, which for the suite is a fault. */
const IN_VAIN = 'nothing: ';

/** null: the lines say nothing of it. */
export function ofLines(lines: Heard['lines']): Answer | null {
  const through = lines.filter(({word}) => word === 'SURVIVED').map(({what}) => what);
  const real = through.filter((what) => !what.startsWith(IN_VAIN));
  if (real.length > 0) return {result: 'open', found: real.join('; ').slice(0, MOST_WORDS)};
  const [vain] = through;
  if (vain !== undefined) return notTried(vain.slice(IN_VAIN.length));
  return lines.some(({word}) => word === 'HELD') ? {result: 'held', found: null} : null;
}

function ofImage(heard: OfImage | undefined, all: readonly Heard[]): Answer {
  if (heard === undefined) return notTried('it runs no images');
  if (heard.made.length > 0)
    return {result: 'open', found: `what was made or changed on the node: ${heard.made.join(', ')}`.slice(0, MOST_WORDS)};
  const said = ofLines(heard.lines);
  if (said !== null) return said;
  // a box that runs no image at all holds nothing
  return all.some(({lines}) => lines.length > 0) ? {result: 'held', found: `it is refused: ${heard.because}`} : notTried(heard.because);
}
