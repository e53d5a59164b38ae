/** ENV/TARE on a real CE of ARC that runs jobs itself (lrms = fork). */

import {expect} from 'chai';
import {ceFor, kib, seconds} from './ces.js';

describe('ARC that runs jobs itself', () => {
  const ce = ceFor();

  it('runs a plain job in a box, and has its figures', async () => {
    const job = await ce().submit({script: '#!/bin/sh\necho ready; id -un; tr "\\0" "\\n" </proc/self/environ | grep -c ^TARE_ARC; sleep 2\n'});
    const used = await job.finished();
    console.log(job.control('errors'), job.control('diag'), job.control('failed'), ce().records());
    expect(job.session('out.txt')).to.equal(`ready\n${ce().account.name}\n0\n`);
    const {record} = job;
    expect(record.mode).to.equal('box');
    expect(used).to.include({
      ExitCode: 0,
      UsedWalltime: seconds(record.time.wallUs),
      UsedCPUUserTime: seconds(record.net.cpuUserUs),
      UsedCPUKernelTime: seconds(record.net.cpuSystemUs),
      UsedMemory: kib(record.net.memPeakBytes),
    });
  });
});
