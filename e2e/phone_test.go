package e2e

import (
	"encoding/json"
	"fmt"
	"net"
	"net/netip"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// phone is a headless baresip. Its SIP and media leave from 127.0.0.1 whatever it is told.
type phone struct {
	*process
	dir     string
	control string // address of its ctrl_tcp module
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
	p := &phone{dir: filepath.Join(t.ArtifactDir(), name)}
	id := ca.issue(t, "phone.test", phoneAddr)
	p.control = fmt.Sprintf("127.0.0.1:%d", freePort(t))
	audio := writeWAV(t, write(t, filepath.Join(p.dir, "tone.wav"), ""), phoneTone, time.Minute)
	write(t, filepath.Join(p.dir, "config"), strings.Join([]string{
		"poll_method epoll",
		"sip_listen 127.0.0.1:0",
		"sip_certificate " + id.both,
		"sip_cafile " + ca.file,
		"net_interface 127.0.0.1",
		"audio_source aufile," + audio,
		"audio_player aubridge,nil",
		"audio_alert aubridge,nil",
		"audio_channels 1-1",
		"rtp_timeout 0",
		"snd_path " + p.dir,
		"ctrl_tcp_listen " + p.control,
		"module_path /usr/lib/baresip/modules",
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
	write(t, filepath.Join(p.dir, "accounts"), account+";mediaenc=srtp-mand;audio_codecs=PCMU\n")
	write(t, filepath.Join(p.dir, "contacts"), "")
	p.process = start(t, name, nil, "baresip", "-f", p.dir, "-s")
	t.Cleanup(func() { collected.learn(p.output(t)) })
	eventually(t, "the phone takes commands", func() bool {
		conn, err := net.Dial("tcp", p.control)
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
	conn, err := net.Dial("tcp", p.control)
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
