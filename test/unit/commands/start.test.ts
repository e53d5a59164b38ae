import {spawnSync} from 'node:child_process';
import {fileURLToPath} from 'node:url';
import {expect} from 'chai';

const START = fileURLToPath(new URL('../../../src/commands/shared/start.ts', import.meta.url));

/** What a command line says and ends with whose options throw so, as a folder does of which a file cannot be read. */
function started(thrown: string): {status: number | null; stderr: string} {
  const script = `
    const {startCommandLine} = await import(${JSON.stringify(START)});
    await startCommandLine({get root() { throw ${thrown}; }});`;
  const {status, stderr} = spawnSync(process.execPath, ['--import=tsx', '--input-type=module', '-e', script], {encoding: 'utf8'});
  return {status, stderr};
}

describe('the command line’s beginning', function () {
  this.timeout(60_000);

  it('says that a part of it cannot be read, in one line', () => {
    expect(started("Object.assign(new Error('EIO: i/o error, fstat'), {errno: -5, code: 'EIO', syscall: 'fstat'})")).to.deep.equal({
      status: 125,
      stderr:
        'tare: a part of Tare cannot be read; found: EIO: i/o error, fstat; look at the disk or file system that it is on, or install Tare again\n',
    });
  });

  it('leaves errors of the command line to oclif', () => {
    expect(started("Object.assign(new Error('no such flag'), {oclif: {exit: 64}})")).to.include({status: 64});
  });
});
