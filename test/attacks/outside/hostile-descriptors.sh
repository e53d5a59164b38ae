# attack: descriptors that ask for files, devices, accounts and names that are not theirs
cd /home/alice/job
printf 'schema: tare/job/v1\ncommand: [/bin/sh, -c, "echo RAN"]\n' >h.yaml; chown alice h.yaml
as alice "$T" run h.yaml 2>&1 | grep -q RAN || survived 'nothing: not even a plain descriptor runs, so that nothing is tried'
ask() {
  printf 'schema: tare/job/v1\ncommand: [/bin/sh, -c, "echo RAN"]\n%b\n' "$2" >h.yaml; chown alice h.yaml
  "$T" run h.yaml 2>&1 | grep -q RAN && survived "root: $1" || held "root: $1"
  as alice "$T" run h.yaml 2>&1 | grep -q RAN && survived "alice: $1" || held "alice: $1"
}
ask 'writable: /etc' 'writable: [/etc]'
ask 'writable: the records' 'writable: [/var/lib/tare/spool]'
ask 'writable with ..' 'writable: [/home/alice/../../etc]'
ask 'a disk' 'devices: [/dev/vda]'
ask 'a device by ..' 'devices: [/dev/dri/../vda]'
ask 'user: root' 'user: root'
ask 'user: 0' 'user: "0"'
ask 'user: #0' 'user: "#0"'
ask 'an image that is not allowed' 'image: /home/alice'
ask 'a repository by ..' 'cvmfs: ["../etc"]'
ask 'a hostname with words of a shell' 'identity: {hostname: "a;b$(id)"}'
ask 'a variable with =' 'environment: {"A=B": x}'
ask '__proto__' '__proto__: {user: root}'
