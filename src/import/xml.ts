/** XML text to a tree of elements with their places. What a description needs no document type for is refused: DTDs, entities, deep nesting. */

import {SaxesParser} from 'saxes';
import {TareError} from '../errors.js';
import type {Origin} from './draft.js';
import {isSecret} from './secret.js';

/** Levels of elements. */
const DEEPEST = 32;
/** Elements of a description; libvirt's longest have some hundred. */
const MOST_ELEMENTS = 10_000;

/** An element with what is in it. */
export interface Element {
  /** With its prefix, as it is written. */
  name: string;
  attributes: ReadonlyMap<string, string>;
  children: Element[];
  /** All text of its own, without that of its children, and without blanks around it. */
  text: string;
  /** The same with these blanks. */
  content: string;
  /** `FILE:LINE:COLUMN` of its `<`. */
  at: string;
}

/**
 * Parses one document (XML 1.0, fifth edition; namespaces are not resolved).
 * @throws TareError DOCUMENT_SYNTAX
 */
export function parseXml(text: string, file: string): Element {
  const parser = new SaxesParser();
  const place = placesIn(text, file);
  const syntax = (message: string, offset: number, allowed?: string): TareError =>
    new TareError('DOCUMENT_SYNTAX', {message, where: place(offset), allowed});
  const open: Element[] = [];
  const tops: Element[] = [];
  let begun = 0;
  let count = 0;
  parser.on('error', ({message}) => {
    throw syntax(`not well-formed XML: ${message.replace(/^(?:\d+:\d+: )?/, '').replace(/\.$/, '')}`, parser.position);
  });
  parser.on('doctype', () => {
    throw syntax('a document type declaration, which no description of a container needs', parser.position, 'XML without <!DOCTYPE …>');
  });
  parser.on('opentagstart', () => {
    begun = text.lastIndexOf('<', Math.max(0, parser.position - 1));
    if (open.length >= DEEPEST) throw syntax('nested too deeply', begun, `${DEEPEST} levels of elements`);
    if (++count > MOST_ELEMENTS) throw syntax('too many elements', begun, String(MOST_ELEMENTS));
  });
  parser.on('opentag', ({name, attributes}) => {
    const element: Element = {name, attributes: new Map(Object.entries(attributes)), children: [], text: '', content: '', at: place(begun)};
    (open.at(-1)?.children ?? tops).push(element);
    open.push(element);
  });
  const add = (more: string): void => {
    const element = open.at(-1);
    if (element !== undefined) element.content += more;
  };
  parser.on('text', add);
  parser.on('cdata', add);
  parser.on('closetag', () => {
    const element = open.pop();
    if (element !== undefined) element.text = element.content.trim();
  });
  parser.write(text).close();
  const [root] = tops;
  if (root === undefined) throw syntax('no element', 0);
  return root;
}

/** Gives the line and column of an offset, both from 1. */
function placesIn(text: string, file: string): (offset: number) => string {
  const starts = [0];
  for (let next = text.indexOf('\n'); next >= 0; next = text.indexOf('\n', next + 1)) starts.push(next + 1);
  return (offset) => {
    let [low, high] = [0, starts.length - 1];
    while (low < high) {
      const middle = Math.ceil((low + high) / 2);
      if ((starts[middle] ?? 0) <= offset) low = middle;
      else high = middle - 1;
    }
    return `${file}:${low + 1}:${offset - (starts[low] ?? 0) + 1}`;
  };
}

/** The name of a document's first element, behind a byte order mark, a declaration, instructions, comments and blanks; null: none comes there. */
export function rootName(text: string): string | null {
  let rest = text.replace(/^\uFEFF/, '').trimStart();
  for (;;) {
    const end = rest.startsWith('<?') ? '?>' : rest.startsWith('<!--') ? '-->' : null;
    if (end === null) return /^<([A-Za-z_][\w.:-]{0,100})(?=[\s/>])/.exec(rest)?.[1] ?? null;
    const index = rest.indexOf(end);
    if (index < 0) return null;
    rest = rest.slice(index + end.length).trimStart();
  }
}

/** The origin of an element: `<memory>`, or `<memory unit>` for one of its attributes. */
export const originOf = ({name, at}: Element, attribute?: string): Origin => ({
  at,
  as: attribute === undefined ? `<${name}>` : `<${name} ${attribute}>`,
});

/** Characters of an element that are shown with its name. */
const LONGEST_SHOWN = 60;

/** The origin of an element of which nothing is made, with what it says where that is short: `<on_crash>destroy`, `<clock offset='utc'>`. */
export function shownOf(element: Element): Origin {
  const {name, attributes, text, at} = element;
  const given = [...attributes].map(([key, value]) => (isSecret(key) ? key : `${key}='${value}'`));
  const full = `<${[name, ...given].join(' ')}>${isSecret(name) ? '' : text}`;
  return full.length > LONGEST_SHOWN ? originOf(element) : {at, as: full};
}

/** The first child of a name. */
export const child = (element: Element, name: string): Element | undefined => element.children.find((each) => each.name === name);
