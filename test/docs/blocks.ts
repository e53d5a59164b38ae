/** The blocks of a document that its reader would run, write to a file or compare. What the words after ``` mean says CONTRIBUTING.md, "Documents". */

import MarkdownIt from 'markdown-it';

export interface Block {
  /** First line, from 1, of its text. */
  line: number;
  kind: 'sh' | 'output' | 'yaml';
  text: string;
  /** Of `sh`: whose shell. */
  account: 'root' | 'user';
  /** Of `sh`: the exit status that the reader sees. */
  status: number;
  /** Of `yaml` without a line `schema`: of which document it is a part. */
  part: 'job' | 'policy' | null;
  /** Where the reader puts it: its first line is a comment that names the file. */
  file: string | null;
  /** Why it is not run here. */
  skip: string | null;
}

/** Neither run nor compared. */
const SHOWN = new Set(['text', 'json', 'ini', 'cron', 'xml', 'ts', 'c', 'diff', 'mermaid']);

/**
 * All blocks that count, in order.
 * @throws Error that names the line of a block which says nothing, or something unknown, of itself
 */
export function blocksOf(name: string, text: string): Block[] {
  return new MarkdownIt().parse(text, {}).flatMap(({type, info, content, map}) => {
    const line = (map?.[0] ?? 0) + 2;
    const wrong = (what: string): Error => new Error(`${name}:${String(line)}: ${what}`);
    if (type === 'code_block') throw wrong('an indented block: fence it with ```, and say after that what it is');
    if (type !== 'fence') return [];
    const {kind, words, skip} = wordsOf(info);
    if (kind !== 'sh' && kind !== 'output' && kind !== 'yaml') {
      if (SHOWN.has(kind)) return [];
      throw wrong(`"${info}": say what it is: sh, sh root, output, yaml, or one of ${[...SHOWN].join(', ')}`);
    }
    const block: Block = {...{line, kind, text: content, skip}, account: 'user', status: 0, part: null, file: null};
    for (const word of words) {
      const status = /^status=(\d+)$/.exec(word)?.[1];
      if (kind === 'sh' && word === 'root') block.account = 'root';
      else if (kind === 'sh' && status !== undefined) block.status = Number(status);
      else if (kind === 'yaml' && (word === 'job' || word === 'policy')) block.part = word;
      else throw wrong(`"${word}" means nothing after ${kind}`);
    }
    if (kind === 'yaml') block.file = /^# (\S+\.(?:ya?ml|json))$/m.exec(content.split('\n')[0] ?? '')?.[1] ?? null;
    return [block];
  });
}

/** `skip=REASON` takes the rest of the line. */
function wordsOf(info: string): {kind: string; words: string[]; skip: string | null} {
  const [, before = '', skip = null] = /^(.*?)(?:\s*\bskip=(.+))?$/.exec(info.trim()) ?? [];
  const [kind = '', ...words] = before.split(/\s+/).filter((word) => word !== '');
  return {kind, words, skip};
}
