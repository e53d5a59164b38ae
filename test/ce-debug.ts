import {Ce} from '/srv/h4/tare/test/support/ce.js';
const ce = await Ce.start({wrapper: '/srv/h4/tare/bin/tare-wrap', callout: process.argv[2]==='callout'});
console.log('CE', ce.directory, ce.account.name, (ce as any).first);
const job = await ce.submit({script: '#!/bin/sh\necho ready; id -un; sleep 2\n'});
console.log('JOB', job.id);
await new Promise((r)=>setTimeout(r, 400_000));
await ce.stop();
