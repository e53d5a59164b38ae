import {expect} from 'chai';
import {here, presenceOf, wrapperOf, type WhoBegan} from '../../../src/process/presence.js';

describe('whether a wrapper is still there', () => {
  const at = here();
  const host: WhoBegan['host'] = {node: at.node, bootId: at.bootId};
  const own = wrapperOf(process.pid);
  const another = {pid: process.pid, startTicks: 1};

  it('is told by numbers and starts', () => {
    expect(presenceOf({host, wrapper: own}, at)).to.equal('here');
    expect(presenceOf({host, wrapper: {...own, shim: another, supervisor: another}}, at)).to.equal('gone');
  });

  it('is not known where starts are other numbers', () => {
    const elsewhere = {...own, timeNamespace: 'time:[1]', shim: another, supervisor: another};
    expect(presenceOf({host, wrapper: elsewhere}, at)).to.equal('unknown');
    expect(presenceOf({host, wrapper: {...own, shim: another, supervisor: another}}, {...at, timeNamespace: 'time:[1]'})).to.equal(
      'unknown',
    );
    // of another boot it is gone whatever the numbers are
    expect(presenceOf({host: {...host, bootId: 'another'}, wrapper: elsewhere}, at)).to.equal('restarted');
  });

  it('is told of what a version before noted too', () => {
    const {timeNamespace, ...older} = own;
    expect(timeNamespace).to.equal(at.timeNamespace);
    expect(presenceOf({host, wrapper: older}, at)).to.equal('here');
    expect(presenceOf({host, wrapper: {...older, shim: another, supervisor: another}}, at)).to.equal('gone');
  });
});
