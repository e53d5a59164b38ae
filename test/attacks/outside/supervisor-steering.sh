# attack: files and variables of a job against the program that decides
cd /home/alice/job
proof=/home/alice/job/steered
echo "require('fs').writeFileSync('$proof', 'as ' + process.getuid())" >evil.js; cp evil.js evil.mjs
printf 'preload = ["./evil.js"]\n[run]\npreload = ["./evil.js"]\n' >bunfig.toml; cp bunfig.toml .bunfig.toml
printf 'NODE_OPTIONS=--require ./evil.js\nBUN_OPTIONS=--preload ./evil.js\n' >.env; cp .env .env.local; cp .env .env.production
printf '{"type":"module","imports":{"#x":"./evil.js"},"bun":{"preload":"./evil.js"},"oclif":{"plugins":["./evil.js"]}}' >package.json
for name in getent id logger bwrap crun mkfs.ext4 ip nft zstd; do printf '#!/bin/sh\necho by PATH >%s\n' $proof >$name; chmod 755 $name; done
evil=(NODE_OPTIONS=--require=$PWD/evil.js NODE_PATH=$PWD NODE_REPL_EXTERNAL_MODULE=$PWD/evil.js BUN_OPTIONS=--preload=$PWD/evil.js BUN_BE_BUN=1 BUN_INSPECT_PRELOAD=$PWD/evil.js
  BUN_CONFIG_FILE=$PWD/bunfig.toml LD_PRELOAD=$PWD/evil.so LD_LIBRARY_PATH=$PWD LD_AUDIT=$PWD/evil.so GCONV_PATH=$PWD OPENSSL_CONF=$PWD/x HOME=$PWD XDG_CONFIG_HOME=$PWD
  XDG_DATA_HOME=$PWD TARE_POLICY=$PWD/p.yaml TARE_OFF=1 TARE_SUPERVISOR=$PWD/evil.js OCLIF_DEBUG=1 TMPDIR=$PWD PATH=$PWD:/usr/bin:/bin)
/usr/bin/env "${evil[@]}" "$W" /usr/bin/true >/dev/null 2>&1
for words in 'run -- /usr/bin/true' ps 'records list' 'plan -- true' 'records sweep' --version; do /usr/bin/env "${evil[@]}" timeout 30 "$T" $words >/dev/null 2>&1 </dev/null; done
tell 'what came with a job ran in the wrapper or its commands' test -e $proof
