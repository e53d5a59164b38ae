# attack: root's sweep works in alice's places, and has to be alice there
# needs: strace
place=/var/tmp/tare-$(id -u alice)
install -d -o alice -g alice -m 711 $place
install -d -o alice -g alice -m 700 $place/boxes $place/boxes/abcdef012345
strace -f -qq -e trace=setuid,setresuid,setgroups -o /root/sweep.strace "$T" records sweep >/dev/null 2>&1
grep -qE "set(res)?uid\($(id -u alice)" /root/sweep.strace && held 'the sweep becomes alice' || survived 'the sweep stays root'
grep -qE 'setgroups\(0|setgroups\(1' /root/sweep.strace && held 'it gives root’s groups up' || survived 'root’s groups are kept'
