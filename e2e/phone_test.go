package e2e

import (
	"encoding/json"
	"fmt"
	"net/netip"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// phone is a headless baresip. On the machine itself its SIP and media leave from 127.0.0.1 whatever it is told.
type phone struct {
	*process
	dir     string
	at      place
	control string // address of its ctrl_tcp module, there
}

var phoneAddr = netip.AddrFrom4([4]byte{127, 0, 0, 1})

// startPhone runs a phone that sends its calls to the remote over TLS with mandatory SDES, and plays and records audio.
func startPhone(t *testing.T, ca *authority, remote netip.AddrPort) *phone {
	t.Helper()
	return startPhoneAs(t, ca, fmt.Sprintf("<sip:phone@%s;transport=tls>;regint=0", remote))
}

// startPhoneAs runs one with an account of baresip's.
func startPhoneAs(t *testing.T, ca *authority, account string) *phone {
	t.Helper()
	return startPhoneNamed(t, ca, "phone", account)
}

// startPhoneNamed is startPhoneAs for one of several, with a folder of its own.
func startPhoneNamed(t *testing.T, ca *authority, name, account string) *phone {
	t.Helper()
	return startHandset(t, ca, handset{name: name, account: account})
}

// handset says which phone runs, and where.
type handset struct {
	name    string // of its folder
	account string // baresip's, sealed unless plain
	plain   bool
	at      place // the machine itself when zero
	says    tone  // phoneTone when zero
	newer   bool  // baresip 1.1, which 1.0 differs from in that it heeds who tells it to answer
}

// startHandset runs a baresip.
func startHandset(t *testing.T, ca *authority, h handset) *phone {
	t.Helper()
	if !h.at.addr.IsValid() {
		h.at.addr = phoneAddr
	}
	if h.says == 0 {
		h.says = phoneTone
	}
	command, args, root := "baresip", []string(nil), "/"
	if h.newer {
		root = filepath.Join(peersDir(), "trixie/root")
		command, args = privately(root, "usr/bin/baresip")
	}
	p := &phone{dir: filepath.Join(t.ArtifactDir(), h.name), at: h.at}
	id := ca.issue(t, "phone.test", h.at.addr)
	p.control = netip.AddrPortFrom(h.at.addr, freePort(t)).String()
	audio := writeWAV(t, write(t, filepath.Join(p.dir, "tone.wav"), ""), h.says, time.Minute)
	write(t, filepath.Join(p.dir, "config"), strings.Join([]string{
		"poll_method epoll",
		fmt.Sprintf("sip_listen %s:0", h.at.addr),
		"sip_certificate " + id.both,
		"sip_cafile " + ca.file,
		fmt.Sprintf("net_interface %s", h.at.addr),
		"audio_source aufile," + audio,
		"audio_player aubridge,nil",
		"audio_alert aubridge,nil",
		"audio_channels 1-1",
		"rtp_timeout 0",
		"sip_autoanswer_beep no",
		"snd_path " + p.dir,
		"ctrl_tcp_listen " + p.control,
		"module_path " + filepath.Join(root, "usr/lib/baresip/modules"),
		"module g711.so",
		"module aufile.so",
		"module aubridge.so",
		"module sndfile.so",
		"module srtp.so",
		"module_tmp account.so",
		"module_app menu.so",
		"module_app ctrl_tcp.so",
		"",
	}, "\n"))
	if !h.plain {
		h.account += ";mediaenc=srtp-mand"
	}
	write(t, filepath.Join(p.dir, "accounts"), h.account+";audio_codecs=PCMU\n")
	write(t, filepath.Join(p.dir, "contacts"), "")
	command, args = h.at.run(command, append(args, "-f", p.dir, "-s"))
	p.process = start(t, h.name, nil, command, args...)
	t.Cleanup(func() { collected.learn(p.output(t)) })
	eventually(t, "the phone takes commands", func() bool {
		conn, err := h.at.dial(p.control)
		if err == nil {
			_ = conn.Close()
		}
		return err == nil
	})
	return p
}

// command sends one command to baresip, as JSON in a netstring, and waits for its answer.
func (p *phone) command(t *testing.T, name, params string) {
	t.Helper()
	conn, err := p.at.dial(p.control)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	text, err := json.Marshal(map[string]string{"command": name, "params": params, "token": "e2e"})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := fmt.Fprintf(conn, "%d:%s,", len(text), text); err != nil {
		t.Fatal(err)
	}
	_ = conn.SetReadDeadline(time.Now().Add(patience))
	var answer strings.Builder
	for buf := make([]byte, 4096); !strings.Contains(answer.String(), `"response":true`); {
		n, err := conn.Read(buf)
		if err != nil {
			t.Fatalf("baresip does not answer %s: %v", name, err)
		}
		answer.Write(buf[:n])
	}
}

// dial lets it call a number at the remote.
func (p *phone) dial(t *testing.T, number string, remote netip.AddrPort) {
	t.Helper()
	p.command(t, "dial", fmt.Sprintf("sip:%s@%s", number, remote))
}

// hangup ends its call.
func (p *phone) hangup(t *testing.T) { t.Helper(); p.command(t, "hangup", "") }

// hold and resume put its call on hold and take it back.
func (p *phone) hold(t *testing.T) { t.Helper(); p.command(t, "hold", "") }

func (p *phone) resume(t *testing.T) { t.Helper(); p.command(t, "resume", "") }

// heard is the finished recording of what it received.
func (p *phone) heard(t *testing.T) string {
	t.Helper()
	return wavFor(t, filepath.Join(p.dir, "*-dec.wav"))
}
