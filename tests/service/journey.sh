#!/bin/bash
# What an admin, a reporter and two members do on a new machine. The lines `#@ N` become the blocks of docs/operate.md.
# Runs as root within the container that tests/service.rs starts; ends it, and leaves journey.log and journey.status.
exec > /root/journey.log 2>&1 < /dev/null
trap 'echo $? > /root/journey.status; journalctl --no-pager -u vouchsafe; systemctl --force poweroff' EXIT
set -eEx
cd "$CHECKOUT"
export LANG=C.UTF-8 TERM=vt100 COLUMNS=200 LINES=50
sudo() { "$@"; }
as() { su - "$1" -c "LANG=C.UTF-8 TERM=vt100 $2"; }
# Waits, with a limit, for something that is on its way.
await() { for _ in $(seq 300); do if "$@" > /dev/null 2>&1; then return; fi; sleep 0.1; done; echo "never: $*"; return 1; }

# A Debian machine with Postfix, and mailboxes for three people on it.
postconf -e mailbox_size_limit=0 'mydestination=localhost, example.org, linux.example' myhostname=mx.example.org relayhost= inet_interfaces=loopback-only
systemctl restart postfix
for person in ada psirt rita; do useradd --create-home "$person"; done
as ada 'gpg --batch --passphrase "" --quick-gen-key "Ada Lovelace <ada@example.org>" ed25519 cert,sign never && \
    gpg --batch --passphrase "" --quick-add-key "$(gpg --list-keys --with-colons ada@example.org | awk -F: "/^fpr/ { print \$10; exit }")" cv25519 encr never'
as psirt 'gpg --batch --passphrase "" --quick-gen-key "PSIRT <psirt@linux.example>" default default never'
as ada 'gpg --armor --export ada@example.org' > ada.asc
as psirt 'gpg --armor --export psirt@linux.example' > linux.asc

#@ 0
#@ 1
#@ 2
#@ 3

# What was read on the way is checked here, beside the blocks, as the blocks are for people.
vouchsafe status | grep -F "0 due, 0 claimed"
# The unit asks for locked memory; a machine that may not raise its own limits cannot give it to a container.
limit=$(awk '/locked memory/ { print $4 }' "/proc/$(systemctl show -p MainPID --value vouchsafe)/limits")
if [ "$limit" = unlimited ]; then journalctl --no-pager -u vouchsafe | grep -F "memory locked=true"; fi
for list in security distrib-announce; do install -m 0644 "$list.asc" "/home/$list.asc"; done

# Members and reporter take the lists' certificates.
as rita 'gpg --import /home/security.asc'
cat > /usr/local/bin/import-list <<'BLOCK'
cp /home/*.asc . && set -e
#@ 4
BLOCK
for person in ada psirt; do as "$person" 'bash /usr/local/bin/import-list'; done

# A report and an announcement, made by gpg, handed to Postfix.
cat > /usr/local/bin/post <<'POST'
# post FROM TO SUBJECT [OPTION OF GPG...]
set -eo pipefail
from=$1 to=$2 subject=$3; shift 3
{
    printf 'From: %s\nTo: %s\nSubject: ...\nMIME-Version: 1.0\n' "$from" "$to"
    printf 'Content-Type: multipart/encrypted; protocol="application/pgp-encrypted"; boundary="b"\n\n'
    printf -- '--b\nContent-Type: application/pgp-encrypted\n\nVersion: 1\n\n'
    printf -- '--b\nContent-Type: application/octet-stream\n\n'
    printf 'Content-Type: text/plain; charset=utf-8; protected-headers="v1"\r\nSubject: %s\r\n\r\nThe frob overflows.\r\n' "$subject" |
        gpg --batch --armor --trust-model always "$@" --encrypt --recipient "$to"
    printf -- '\n--b--\n'
} | /usr/sbin/sendmail -f "$from" "$to"
POST
as rita 'bash /usr/local/bin/post rita@example.org security@lists.example.org "Overflow in frob"'
as ada 'bash /usr/local/bin/post ada@example.org distrib-announce@lists.example.org "Frob advisory" --sign'
await test -s /var/mail/psirt
await grep -q 'security-bounces+' /var/mail/ada

# Nobody else is known in the lists' domain: refused while the sender is still there, and nobody gets a bounce.
exec 3<> /dev/tcp/127.0.0.1/25
for line in 'HELO world.example' 'MAIL FROM:<eve@world.example>' 'RCPT TO:<nobody@lists.example.org>' QUIT; do
    read -r -t 30 reply <&3
    printf '%s\r\n' "$line" >&3
    echo "$reply"
done > /root/replies
grep -q '^550 5.1.1 <nobody@lists.example.org>' /root/replies
exec 3>&-

# A member reads on the command line...
as psirt 'cp /var/mail/psirt copy.eml && gpg --status-file status --decrypt copy.eml > plain 2> said; cat status said plain'
as psirt 'grep -q "^\[GNUPG:\] GOODSIG" status && grep -q "^\[GNUPG:\] TRUST_FULLY" status && grep -q "^\[GNUPG:\] DECRYPTION_OKAY" status'
as psirt 'grep -qF "Subject: [Distributors] Frob advisory" plain && grep -qF "The frob overflows." plain'
# ... and with Mutt, which shows the subject that nobody saw on the way. What it would show goes to a file.
printf '#!/bin/sh\ncat "$1" > "$HOME/shown"\n' > /usr/local/bin/show
chmod 755 /usr/local/bin/show
cat > /home/psirt/.muttrc <<'MUTT'
set folder=~ record= postponed= pager=show prompt_after=no wait_key=no quit=yes move=no
push "<display-message><exit>"
MUTT
as psirt 'timeout 60 script -qec "mutt -R -f /var/mail/psirt" screen > /dev/null; cat shown'
as psirt 'grep -qF "Subject: [Distributors] Frob advisory" shown && grep -qF "The frob overflows." shown && grep -q "^Good signature from: Distributors" shown'
vouchsafe journal verify

# systemd hears that all is well, shows how things stand, and has settings read again; what does not serve changes nothing.
property() { systemctl show -p "$1" --value vouchsafe; }
property StatusText | grep -F "copies queued"
[ "$(property WatchdogTimestampMonotonic)" -gt 0 ]
pid=$(property MainPID)
systemctl reload vouchsafe
cp /etc/vouchsafe/relay.toml relay.toml
echo '[nonsense]' >> /etc/vouchsafe/relay.toml
if systemctl reload vouchsafe; then exit 1; fi
cp relay.toml /etc/vouchsafe/relay.toml
systemctl reload vouchsafe
[ "$(property MainPID)" = "$pid" ] && [ "$(property ActiveState)" = active ]
# The log is in the journal, with fields, and people can read it.
journalctl --no-pager -u vouchsafe MESSAGE="reloaded changed=\"\" needs_restart=\"\"" -o json | grep -F '"TARGET":"vouchsafe::daemon"'
journalctl --no-pager -u vouchsafe | grep -F "a mail is held" && exit 1

# With the sockets held by systemd: what connects while the daemon is stopped starts it, and is served.
mkdir -p /etc/systemd/system/vouchsafe.socket.d
printf '[Socket]\nSocketGroup=postfix\n' > /etc/systemd/system/vouchsafe.socket.d/postfix.conf
systemctl daemon-reload
systemctl stop vouchsafe
systemctl start vouchsafe.socket
[ "$(property ActiveState)" = inactive ]
as rita 'bash /usr/local/bin/post rita@example.org security@lists.example.org "Overflow again"'
await systemctl is-active vouchsafe
await sh -c '[ "$(grep -c security-bounces+ /var/mail/ada)" -ge 2 ]'
# A client that is there already waits for a restart instead of being refused.
systemctl restart vouchsafe & restarting=$!
for _ in $(seq 20); do
    python3 -c 'import socket; s = socket.socket(socket.AF_UNIX); s.settimeout(60); s.connect("/run/vouchsafe/lmtp.sock"); assert s.recv(3) == b"220"'
done
wait "$restarting"
systemctl stop vouchsafe.socket vouchsafe
systemctl show -p Result --value vouchsafe | grep -Fx success
