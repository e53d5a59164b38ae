#!/bin/bash
# libvirt.sh DOMAIN.xml DIRECTORY: defines a domain of libvirt's LXC driver in a libvirtd of its own, starts it, and prints its state, its limit on memory in
# bytes, and `PID COMMAND` of each process that is seen in it. To be called in a new mount namespace and a new PID namespace, by root. Nothing is left.
set -eu
domain=$1 directory=$2
mount --make-rprivate /

# libvirt uses control groups of one version at a time
hierarchies=$(awk '/ - cgroup / {sub("^rw,", "", $NF); print $5, $NF}' /proc/self/mountinfo)
if [ -d /sys/fs/cgroup/memory ]; then
  umount -l /sys/fs/cgroup
  mount -t tmpfs -o mode=755 tmpfs /sys/fs/cgroup
  while read -r point options; do
    case $options in *cpu* | *memory* | *devices* | *freezer* | *blkio* | *pids*) ;; *) continue ;; esac
    mkdir "/sys/fs/cgroup/${point##*/}"
    mount -t cgroup -o "$options" cgroup "/sys/fs/cgroup/${point##*/}"
  done <<<"$hierarchies"
fi

# nothing of the machine's libvirt
made=0
[ -d /run/libvirt ] || { mkdir /run/libvirt && made=1; }
for place in /run/libvirt /etc/libvirt /var/lib/libvirt /var/log/libvirt /var/cache/libvirt; do
  mount -t tmpfs -o mode=755 tmpfs "$place"
done
printf 'auth_unix_ro = "none"\nauth_unix_rw = "none"\n' >"$directory/libvirtd.conf"
libvirtd -f "$directory/libvirtd.conf" -p /run/libvirt/libvirtd.pid >"$directory/libvirtd.log" 2>&1 &
libvirtd=$!
for _ in $(seq 200); do
  [ -S /run/libvirt/libvirt-sock ] && break
  sleep 0.05
done

clean() {
  virsh -q -c lxc:///system destroy "$name" >/dev/null 2>&1 || true
  kill "$libvirtd" 2>/dev/null && wait "$libvirtd" || true
  find /sys/fs/cgroup -depth -type d \( -path "*$name*" -o -name machine \) -exec rmdir {} + 2>/dev/null || true
  if [ "$made" = 1 ]; then umount -l /run/libvirt && rmdir /run/libvirt; fi
}
name=$(sed -n 's|.*<name>\(.*\)</name>.*|\1|p' "$domain" | head -1)
trap clean EXIT
virsh -q -c lxc:///system define "$domain" >&2
virsh -q -c lxc:///system start "$name" >&2 || { cat "$directory/libvirtd.log" /var/log/libvirt/lxc/*.log >&2; exit 1; }
virsh -q -c lxc:///system domstate "$name" | head -1
find /sys/fs/cgroup -path "*$name*" \( -name memory.limit_in_bytes -o -name memory.max \) -exec cat {} + | head -1
# the controller tells libvirtd the PID of the domain's init some time after the start (virDomainLxcOpenNamespace: "Init pid is not yet available" until then)
for _ in $(seq 200); do
  said=$(virsh -q -c lxc:///system lxc-enter-namespace "$name" --noseclabel -- /bin/ps -e -o pid=,args= 2>&1) && break
  case $said in *"not yet available"*) sleep 0.05 ;; *) break ;; esac
done
printf '%s\n' "$said"
case $said in "error: "*) exit 1 ;; esac
