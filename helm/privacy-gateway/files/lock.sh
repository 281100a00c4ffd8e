#!/bin/sh
# Locks a pod's network: only UID $GATEWAY_UID reaches anything but loopback, the cluster's DNS and the ranges in $ALLOW.
# Run once, as root with CAP_NET_ADMIN, before anything else of the pod. What is refused is counted: `nft list counters`, `iptables -vL`.
set -eu

V4='' V6='' DNS4='' DNS6=''
for range in ${ALLOW:-}; do
  case $range in *:*) V6="$V6 $range" ;; *) V4="$V4 $range" ;; esac
done
while read -r word server _; do
  [ "$word" = nameserver ] || continue
  server=${server%%%*}
  case $server in *:*) DNS6="$DNS6 $server" ;; *) DNS4="$DNS4 $server" ;; esac
done <"${RESOLV_CONF:-/etc/resolv.conf}"

METADATA4='169.254.169.254 169.254.170.2 169.254.170.23 100.100.100.200'
METADATA6='fd00:ec2::254 fd00:ec2::23 fd20:ce::254'

nft_rules() {
  echo 'table inet privacy_lock {}'
  echo 'delete table inet privacy_lock'
  echo 'table inet privacy_lock {'
  echo '  counter refused {}'
  # An ICMP message that meets a connect(2) on its way is heard only by its next attempt, a second later: a reset at once.
  echo '  chain refuse {'
  echo '    meta l4proto tcp counter name refused reject with tcp reset'
  echo '    counter name refused reject with icmpx admin-prohibited'
  echo '  }'
  echo '  chain output {'
  echo '    type filter hook output priority 0; policy accept;'
  echo '    oifname "lo" accept'
  for address in $METADATA4; do echo "    ip daddr $address goto refuse"; done
  for address in $METADATA6; do echo "    ip6 daddr $address goto refuse"; done
  echo '    ct state established,related accept'
  # Neighbour discovery is the kernel's: it has no UID.
  echo '    icmpv6 type { nd-neighbor-solicit, nd-neighbor-advert, nd-router-solicit, mld2-listener-report } accept'
  echo "    meta skuid $GATEWAY_UID accept"
  for server in $DNS4; do echo "    ip daddr $server meta l4proto { tcp, udp } th dport 53 accept"; done
  for server in $DNS6; do echo "    ip6 daddr $server meta l4proto { tcp, udp } th dport 53 accept"; done
  for range in $V4; do echo "    ip daddr $range accept"; done
  for range in $V6; do echo "    ip6 daddr $range accept"; done
  echo '    goto refuse'
  echo '  }'
  echo '}'
}

# Takes the program, its word for ICMP's refusal, metadata addresses, DNS servers and ranges.
iptables_rules() {
  run=$1 refusal=$2
  "$run" -w -N privacy_refuse 2>/dev/null || "$run" -w -F privacy_refuse
  "$run" -w -A privacy_refuse -p tcp -j REJECT --reject-with tcp-reset
  "$run" -w -A privacy_refuse -j REJECT --reject-with "$refusal"
  "$run" -w -N privacy_lock 2>/dev/null || "$run" -w -F privacy_lock
  "$run" -w -A privacy_lock -o lo -j RETURN
  for address in $3; do "$run" -w -A privacy_lock -d "$address" -g privacy_refuse; done
  "$run" -w -A privacy_lock -m conntrack --ctstate ESTABLISHED,RELATED -j RETURN
  if [ "$run" = ip6tables ]; then
    for type in 133 135 136 143; do "$run" -w -A privacy_lock -p icmpv6 --icmpv6-type "$type" -j RETURN; done
  fi
  "$run" -w -A privacy_lock -m owner --uid-owner "$GATEWAY_UID" -j RETURN
  for server in $4; do
    for protocol in tcp udp; do "$run" -w -A privacy_lock -d "$server" -p "$protocol" --dport 53 -j RETURN; done
  done
  for range in $5; do "$run" -w -A privacy_lock -d "$range" -j RETURN; done
  "$run" -w -A privacy_lock -g privacy_refuse
  "$run" -w -C OUTPUT -j privacy_lock 2>/dev/null || "$run" -w -A OUTPUT -j privacy_lock
}

if command -v nft >/dev/null; then
  nft_rules | nft -f -
elif command -v iptables >/dev/null; then
  iptables_rules iptables icmp-admin-prohibited "$METADATA4" "$DNS4" "$V4"
  iptables_rules ip6tables icmp6-adm-prohibited "$METADATA6" "$DNS6" "$V6"
else
  echo 'privacy-gateway-lock: the image has neither nft nor iptables' >&2
  exit 1
fi
