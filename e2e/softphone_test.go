package e2e

import (
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// softphone is a headless linphonec, which can hold several calls, make one of two, and send keys by INFO; baresip 1.0 cannot. Unlike
// baresip it verifies the authority of callseal's certificate.
type softphone struct {
	*process
	dir   string
	input *os.File // its commands
}

// startSoftphone runs a softphone that calls over TLS with mandatory SDES, and plays and records audio.
func startSoftphone(t *testing.T, ca *authority, options ...string) *softphone {
	t.Helper()
	return startSoftphoneAt(t, ca, place{addr: phoneAddr}, phoneTone, options...)
}

// startSoftphoneAt runs one at a place, with a tone of its own.
func startSoftphoneAt(t *testing.T, ca *authority, at place, says tone, options ...string) *softphone {
	t.Helper()
	p := &softphone{dir: filepath.Join(t.ArtifactDir(), "softphone")}
	id := ca.issue(t, "softphone.test", at.addr)
	audio := writeWAV(t, write(t, filepath.Join(p.dir, "tone.wav"), ""), says, time.Minute)
	rc := write(t, filepath.Join(p.dir, "rc"), strings.Join(append([]string{
		"[sip]",
		fmt.Sprintf("bind_address=%s", at.addr),
		"sip_port=-1",
		"sip_tcp_port=-1",
		fmt.Sprintf("sip_tls_port=%d", freePort(t)),
		fmt.Sprintf("contact=sip:softphone@%s", at.addr),
		"root_ca=" + ca.file,
		"verify_server_cn=0", // its TLS library compares no address
		"client_cert_chain=" + id.cert,
		"client_cert_key=" + id.key,
		"media_encryption=srtp",
		"media_encryption_mandatory=1",
		"guess_hostname=0",
		"register_only_when_network_is_up=0",
		"auto_net_state_mon=0",
	}, append(options,
		"[rtp]",
		fmt.Sprintf("bind_address=%s", at.addr),
		fmt.Sprintf("audio_rtp_port=%d", freePort(t)&^1),
		"[net]",
		"mtu=0",
		"[storage]",
		"uri=null",
		"[video]",
		"enabled=0",
		"[audio_codec_0]",
		"mime=PCMU",
		"rate=8000",
		"channels=1",
		"enabled=1",
		"")...), "\n"))
	commands, input, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	p.input = input
	command, args := at.run("linphonec", []string{"-c", rc, "-d", "5", "-l", filepath.Join(p.dir, "log")})
	p.process = startWithInput(t, commands, "softphone", []string{"HOME=" + p.dir}, command, args...)
	_ = commands.Close()
	t.Cleanup(func() {
		_ = input.Close()
		collected.learn(read(t, filepath.Join(p.dir, "log")))
		attach(t, filepath.Join(p.dir, "log"))
	})
	p.says(t, "linphonec>")
	p.do(t, "ipv6 disable")
	p.do(t, "soundcard use files")
	p.do(t, "play "+audio)
	p.do(t, "record "+filepath.Join(p.dir, "heard.wav"))
	return p
}

// do types one command.
func (p *softphone) do(t *testing.T, command string) {
	t.Helper()
	if _, err := fmt.Fprintln(p.input, command); err != nil {
		t.Fatal(err)
	}
}

// dial lets it call a number at the remote.
func (p *softphone) dial(t *testing.T, number string, remote netip.AddrPort) {
	t.Helper()
	p.do(t, fmt.Sprintf("call sip:%s@%s;transport=tls", number, remote))
}

// hold and resume put its call on hold and take it back.
func (p *softphone) hold(t *testing.T) { t.Helper(); p.do(t, "pause") }

func (p *softphone) resume(t *testing.T) { t.Helper(); p.do(t, "resume") }

// hangup ends its call.
func (p *softphone) hangup(t *testing.T) { t.Helper(); p.do(t, "terminate") }

// recorded is how many samples of what it hears are in its recording by now.
func (p *softphone) recorded(t *testing.T) int {
	t.Helper()
	info, err := os.Stat(filepath.Join(p.dir, "heard.wav"))
	if err != nil {
		t.Fatal(err)
	}
	return int(info.Size()-44) / 2
}

// heard is the finished recording of all that it received.
func (p *softphone) heard(t *testing.T) string {
	t.Helper()
	return wavFor(t, filepath.Join(p.dir, "heard.wav"))
}
