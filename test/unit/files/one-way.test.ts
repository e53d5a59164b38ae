import {expect} from 'chai';
import {ESLint, Linter} from 'eslint';
import {join} from 'node:path';
import {fileURLToPath} from 'node:url';
import tseslint from 'typescript-eslint';

const RULE = '@typescript-eslint/no-restricted-imports';
const checkout = fileURLToPath(new URL('../../../', import.meta.url));

describe('other ways to files of a job than the one', () => {
  /** What the rule, as the project has it for a file, says of a text in it. */
  const said = async (file: string, text: string): Promise<string[]> => {
    const config = (await new ESLint({cwd: checkout}).calculateConfigForFile(join(checkout, file))) as {rules: Linter.RulesRecord};
    const only = {
      files: ['**/*.ts'],
      languageOptions: {parser: tseslint.parser},
      plugins: {'@typescript-eslint': tseslint.plugin},
      rules: {[RULE]: config.rules[RULE]},
    };
    return new Linter().verify(text, [only], file).map(({message}) => message);
  };

  for (const file of [
    'src/run/finish.ts',
    'src/run/a-new-one.ts',
    'src/batch/effects.ts',
    'src/prepare/prepare.ts',
    'src/commands/run.ts',
    'plugins/arc/adapter.ts',
  ])
    it(`lint keeps them closed in ${file}`, async () => {
      for (const text of [
        "import {readFileSync} from 'node:fs';",
        "import {openSync, statSync} from 'node:fs';",
        "import {renameSync as move} from 'node:fs';",
        "import * as fs from 'node:fs';",
        "import fs from 'node:fs';",
        "import {unlink} from 'node:fs/promises';",
        "import {rmSync} from 'fs';",
      ])
        expect((await said(file, text)).join(), text).to.include('src/files/job-files.ts');
      expect(await said(file, "import {statSync, type Stats} from 'node:fs';\nimport {join} from 'node:path';")).to.deep.equal([]);
    });

  it('lint lets what touches the wrapper’s own do so', async () => {
    for (const file of ['src/files/job-files.ts', 'src/record/durable.ts', 'src/run/engine.ts'])
      expect(await said(file, "import {openSync} from 'node:fs';"), file).to.deep.equal([]);
  });
});
