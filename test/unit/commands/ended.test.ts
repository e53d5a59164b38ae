import {expect} from 'chai';
import {rowOfEnded} from '../../../src/commands/shared/ended.js';
import {measured, view} from '../../support/records.js';

describe('the row of an ended job', () => {
  it('names its account, or has the uid of one without a name, as while it lived', () => {
    const record = view(measured());
    const userOf = (local: string | null, uid: number | null): string | null =>
      rowOfEnded({boxId: '5c1f0a2b4d6e8f90', record: {...record, user: {...record.user, local, uid}}}).user;
    expect([userOf('alice', 1000), userOf(null, 12345), userOf(null, null)]).to.deep.equal(['alice', '12345', null]);
  });
});
