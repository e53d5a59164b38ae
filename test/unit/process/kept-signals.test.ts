import {expect} from 'chai';
import {Interrupted, KeptSignals} from '../../../src/process/kept-signals.js';

const never = new Promise<string>(() => undefined);

describe('signals that come before anything is launched', () => {
  it('work that ends first has its result, and the wait is over', async () => {
    const kept = new KeptSignals();
    expect(await kept.orWhile(Promise.resolve('done'), () => 'stopped')).to.equal('done');
    kept.note(15);
    expect(kept.first).to.equal('SIGTERM');
  });

  it('a signal that asks for the end ends every wait, also a later one; the first signal counts', async () => {
    const kept = new KeptSignals();
    const waits = [1, 2].map((which) => kept.orWhile(never, (name) => `${name} ${String(which)}`));
    kept.note(2);
    kept.note(15);
    expect(await Promise.all(waits)).to.deep.equal(['SIGINT 1', 'SIGINT 2']);
    expect(await kept.orWhile(never, (name) => name)).to.equal('SIGINT');
  });

  it('work that looks itself is aborted, and told by which', () => {
    const kept = new KeptSignals();
    const {aborted} = kept;
    kept.note(10);
    expect(aborted.aborted).to.equal(false);
    kept.note(2);
    expect(aborted.reason).to.be.instanceOf(Interrupted).and.include({signal: 'SIGINT', message: 'SIGINT came'});
  });

  it('others mean nothing', async () => {
    const kept = new KeptSignals();
    for (const signal of [10, 17, 18, 28]) kept.note(signal);
    expect(kept.first).to.equal(null);
    expect(await kept.orWhile(Promise.resolve('done'), (name) => name)).to.equal('done');
  });

  it('work that fails, fails', async () => {
    const failed = await new KeptSignals().orWhile(Promise.reject(new Error('no')), () => undefined).catch((error: unknown) => error);
    expect((failed as Error).message).to.equal('no');
  });
});
