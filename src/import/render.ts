/** What was made of a description, as people read it: YAML with the origin of each value behind it, and comments about all that became no value. */

import type {Document, Node, Pair, Scalar} from 'yaml';
import {printable} from '../errors.js';
import {below} from '../job/at.js';
import type {Yaml} from '../job/compose.js';
import type {Origin} from './draft.js';
import type {Imported} from './import.js';

/** Characters of a comment: a name in a description may be a megabyte. */
const LONGEST = 400;
/** What a terminal or an editor might not take for one line of text. */
const UNSEEN = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/u;

/** A text that stays in its line, whatever the description holds. */
function inLine(text: string): string {
  const line = printable(text).replaceAll(/[\p{Zl}\p{Zp}]/gu, '?');
  return line.length > LONGEST ? `${line.slice(0, LONGEST - 1)}…` : line;
}

const comment = (text: string): string => ` ${inLine(text)}`;
const placeOf = ({at, as}: Origin): string => `${at} ${as}`;

/** The job as a descriptor, with comments about proposals for the policy and about what was left. */
export async function renderJob(imported: Imported): Promise<string> {
  const {file, format, job, taken, proposed, left} = imported;
  const text = await render(job, (pointer) => {
    const origin = taken.get(pointer);
    return origin === undefined ? null : placeOf(origin);
  });
  const lines = [`#${comment(`from ${file} (${format})`)}`, text.trimEnd()];
  if (job.command === undefined && job.applications === undefined)
    lines.push('', '# It names no program to execute: add command, a list of executable and arguments.');
  if (proposed.size > 0) {
    lines.push('', '# For the policy, which is the site’s (tare import --policy prints a fragment):');
    for (const {key, value, origin, because} of proposed.values())
      lines.push(
        `#  ${comment(`${key.join('.')}: ${typeof value === 'string' ? value : JSON.stringify(value)}: ${placeOf(origin)}: ${because}`)}`,
      );
  }
  if (left.length > 0) {
    lines.push('', '# Not taken:');
    for (const {origin, because} of left) lines.push(`#  ${comment(`${placeOf(origin)}: ${because}`)}`);
  }
  return `${lines.join('\n')}\n`;
}

/** The fragment of a policy, for an administrator to take over what the site allows. */
export async function renderPolicy({file, format, policy, proposed}: Imported): Promise<string> {
  const lines = [`#${comment(`from ${file} (${format})`)}`];
  if (policy === null) return `${[...lines, '# It asks for nothing that the policy decides.', 'schema: tare/policy/v1'].join('\n')}\n`;
  lines.push(
    '# Each value is what the description asks for: keep what the site allows to all its jobs, or put it into a rule.',
    '# A list here replaces the one of files before it: add what stands there.',
  );
  const text = await render(policy, (pointer) => {
    const proposal = proposed.get(pointer);
    return proposal === undefined ? null : `${placeOf(proposal.origin)}: ${proposal.because}`;
  });
  return `${[...lines, text.trimEnd()].join('\n')}\n`;
}

/** YAML in which each value that has a comment has it behind it; a list stands in one line, and one of maps has it before it. */
async function render(value: object, about: (pointer: string) => string | null): Promise<string> {
  const yaml = await import('yaml');
  const document: Document = new yaml.Document(value, {aliasDuplicateObjects: false});
  decorate(document.contents, '', about, yaml);
  const text = document.toString({lineWidth: 0, flowCollectionPadding: false, doubleQuotedAsJSON: true});
  // within quotes JSON's escapes are YAML's; beyond U+FFFF they are not
  return text.replaceAll(/[\u007F-\u009F\p{Cf}\p{Zl}\p{Zp}]/gu, (char) => {
    const code = (char.codePointAt(0) ?? 0).toString(16);
    return code.length > 4 ? `\\U${code.padStart(8, '0')}` : `\\u${code.padStart(4, '0')}`;
  });
}

function decorate(node: unknown, pointer: string, about: (pointer: string) => string | null, yaml: Yaml): void {
  const text = about(pointer);
  if (yaml.isScalar(node)) quote(node, yaml);
  if (yaml.isNode(node) && text !== null) node.comment = comment(text);
  if (!yaml.isMap(node) && !yaml.isSeq(node)) return;
  if (text !== null) node.flow = true;
  for (const [index, item] of (node.items as (Node | Pair<Scalar>)[]).entries()) {
    if (!yaml.isPair(item)) decorate(item, below(pointer, index), about, yaml);
    else {
      quote(item.key, yaml);
      const place = below(pointer, String(item.key.value));
      const before = isNested(item.value, yaml) ? about(place) : null;
      if (before !== null) item.key.commentBefore = comment(before);
      decorate(item.value, place, before === null ? about : () => null, yaml);
    }
  }
}

/** A list or map with lists or maps in it. */
const isNested = (node: unknown, {isCollection, isPair}: Yaml): boolean =>
  isCollection(node) && node.items.some((item) => isCollection(isPair(item) ? item.value : item));

/** Text with characters that are not seen is written with escapes. */
function quote(node: unknown, yaml: Yaml): void {
  if (yaml.isScalar(node) && typeof node.value === 'string' && UNSEEN.test(node.value)) node.type = 'QUOTE_DOUBLE';
}

/** The same as data. */
export function importedData({file, format, job, policy, taken, proposed, left}: Imported): object {
  return {
    file,
    format,
    job,
    policy,
    taken: [...taken].map(([pointer, {at, as}]) => ({pointer, at, as})),
    proposals: [...proposed].map(
      ([
        pointer,
        {
          value,
          origin: {at, as},
          because,
        },
      ]) => ({pointer, value, at, as, because}),
    ),
    left: left.map(({origin: {at, as}, because}) => ({at, as, because})),
  };
}
