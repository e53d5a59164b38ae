# attack: root writes the copy of a record where alice has put a link to a file of root's
# row: X5
cd /home/alice/job
precious a
for target in /root/victim/a /root/victim/new; do
  ln -sfn $target link.json; chown -h alice link.json
  "$T" run --record $PWD/link.json -- true >/dev/null 2>&1
done
tell 'root overwrites its own file through alice’s link' changed a
tell 'root makes a file through alice’s link' test -e /root/victim/new
mkdir -p dir; mv dir d2; ln -sfn /root/victim dir; chown -h alice dir
"$T" run --record $PWD/dir/below.json -- true >/dev/null 2>&1
tell 'root makes a file through a directory that is alice’s link' test -e /root/victim/below.json
