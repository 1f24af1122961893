package e2e

import (
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"text/template"
	"time"
)

// asteriskConfig is what testdata/asterisk is filled with.
type asteriskConfig struct {
	Version    int            // 16: chan_sip; 22: PJSIP
	Remote     netip.AddrPort // where it sends its calls, and from where it takes some
	Sealed     bool           // TLS and SDES; else UDP and RTP
	PlainMedia bool           // RTP although sealed
	Tone       tone
	Ring       int            // seconds until an unanswered call of its own is given up, 20 when zero
	Options    []string       // further lines of what its configuration says of Remote
	Phones     []string       // more accounts of telephones like 101
	Direct     netip.AddrPort // a carrier that it calls without callseal, over UDP

	VICIdial *pasted   // set up as VICIdial does it
	Campaign *campaign // what the bench dials here goes on to Remote, and to its phones; nil: nothing does

	// Filled in by startAsterisk.
	Addr                           netip.Addr
	Dir, Run, Lib, Modules         string
	Identity, Certificate, Key, CA string
	Channel, DirectChannel         string
	Early                          tone
	CallerCode, CallerNumber       string
	PhoneSecret, PhoneChannel      string
	Telephones                     []string // accounts that it calls, and asks again and again whether they are there
}

// campaign lets the bench stand in for VICIdial's originate.
type campaign struct {
	Bench  netip.Addr // where it calls from, over UDP and without SRTP
	Number string     // what the numbers begin with, which have seven digits more
	Prefix [10]string // by which a number is dialled, by its last digit
	Ring   int        // seconds until an unanswered call is given up
}

// Who calls when an Asterisk dials: VICIdial's key of the call, and the number that the callee may see.
const (
	callerCode   = "V1123201337000001234"
	callerNumber = "12125550100"
)

// phoneSecret is the password of its phones 101 to 103.
const phoneSecret = "bench-phones-4711"

// asterisk is a running Asterisk.
type asterisk struct {
	*process
	asteriskConfig
	root string
}

// startAsterisk runs an Asterisk at the address, with a certificate for NAME.test.
func startAsterisk(t *testing.T, name string, addr netip.Addr, ca *authority, c asteriskConfig) *asterisk {
	t.Helper()
	id := ca.issue(t, name+".test", addr)
	c.Addr, c.Identity, c.Certificate, c.Key, c.CA = addr, id.both, id.cert, id.key, ca.file
	c.Dir = filepath.Join(t.ArtifactDir(), name)
	c.Early, c.CallerCode, c.CallerNumber = earlyTone, callerCode, callerNumber
	c.PhoneSecret, c.Telephones = phoneSecret, []string{phoneNumber, "108", "109"}
	if c.Ring == 0 {
		c.Ring = 20
	}
	release, files, modules := "bullseye", []string{"sip.conf"}, "usr/lib/asterisk/modules"
	c.Channel, c.DirectChannel, c.PhoneChannel = "SIP/${EXTEN}@sbc", "SIP/${EXTEN:2}@direct", "SIP/${EXTEN:2}"
	if c.Version == 22 {
		release, files, modules = "sid", []string{"pjsip.conf"}, "usr/lib/x86_64-linux-gnu/asterisk/modules"
		c.Channel, c.DirectChannel, c.PhoneChannel = "PJSIP/${EXTEN}@sbc", "PJSIP/${EXTEN:2}@direct", "PJSIP/${EXTEN:2}"
	}
	a := &asterisk{root: filepath.Join(peersDir(), release, "root")}
	c.Modules = filepath.Join(a.root, modules)
	c.Lib = filepath.Join(a.root, "usr/share/asterisk")
	c.Run = shortDir(t)
	a.asteriskConfig = c
	for _, file := range append(files, "asterisk.conf", "extensions.conf", "indications.conf", "logger.conf", "modules.conf", "musiconhold.conf", "rtp.conf") {
		from := filepath.Join("testdata/asterisk", file)
		if own := filepath.Join("testdata/vicidial", file); c.VICIdial != nil && exists(own) {
			from = own
		}
		render(t, from, filepath.Join(c.Dir, "etc", file), c)
	}
	writeWAV(t, write(t, filepath.Join(c.Dir, "moh/hold.wav"), ""), holdTone, time.Minute)
	writeWAV(t, filepath.Join(c.Dir, "tone.wav"), c.Tone, time.Minute)
	command, args := a.command("-C", filepath.Join(c.Dir, "etc/asterisk.conf"), "-f")
	a.process = start(t, name, []string{"OPENSSL_CONF=/dev/null"}, command, args...)
	t.Cleanup(func() {
		collected.learn(read(t, a.fullLog()))
		attach(t, a.fullLog())
	})
	eventually(t, name+" is up", func() bool {
		if a.ended() {
			t.Fatalf("%s ended: %s", name, a.output(t))
		}
		return strings.Contains(a.rx("core waitfullybooted"), "fully booted")
	})
	if c.Version == 16 {
		a.rx("sip set debug on")
	} else {
		a.rx("pjsip set logger on")
	}
	return a
}

// command is Asterisk under the loader and libraries of its own release.
func (a *asterisk) command(args ...string) (string, []string) {
	return privately(a.root, "usr/sbin/asterisk", args...)
}

// privately is a program of an unpacked release under the loader and libraries of that release.
func privately(root, program string, args ...string) (string, []string) {
	libraries := filepath.Join(root, "usr/lib/x86_64-linux-gnu") + ":" + filepath.Join(root, "lib/x86_64-linux-gnu") + ":" + filepath.Join(root, "usr/lib")
	loader := filepath.Join(root, "lib/x86_64-linux-gnu/ld-linux-x86-64.so.2")
	if _, err := os.Stat(loader); err != nil {
		loader = filepath.Join(root, "usr/lib/x86_64-linux-gnu/ld-linux-x86-64.so.2")
	}
	return loader, append([]string{"--inhibit-cache", "--library-path", libraries, filepath.Join(root, program)}, args...)
}

// rx runs a command on Asterisk's console.
func (a *asterisk) rx(command string) string {
	loader, args := a.command("-C", filepath.Join(a.Dir, "etc/asterisk.conf"), "-rx", command)
	cmd := exec.Command(loader, args...)
	cmd.Env = append(os.Environ(), "OPENSSL_CONF=/dev/null")
	out, err := cmd.CombinedOutput()
	if err != nil {
		return string(out) + err.Error()
	}
	return string(out)
}

// sip is where it takes calls.
func (a *asterisk) sip() netip.AddrPort {
	if a.Sealed {
		return netip.AddrPortFrom(a.Addr, 5061)
	}
	return netip.AddrPortFrom(a.Addr, 5060)
}

// dial lets it call the number. The name, of small letters, is that of the recordings of what its agent hears and says.
func (a *asterisk) dial(t *testing.T, name, number string) {
	t.Helper()
	if out := a.rx("channel originate Local/" + name + "@agent extension " + number + "@dial"); strings.Contains(out, "ailed") {
		t.Fatal(out)
	}
}

// result waits until the call to the number is over, and says what Asterisk made of it: DIALSTATUS and HANGUPCAUSE.
func (a *asterisk) result(t *testing.T, number string) (status string, cause int) {
	t.Helper()
	pattern := regexp.MustCompile(`RESULT ` + number + ` ([A-Z]+) (\d+)`)
	eventually(t, a.name+" has a result for "+number, func() bool {
		m := pattern.FindStringSubmatch(read(t, a.fullLog()))
		if m == nil {
			return false
		}
		status = m[1]
		cause, _ = strconv.Atoi(m[2]) // the pattern holds digits only
		return true
	})
	return status, cause
}

// reason waits for what VICIdial stores of a call that failed: what HANGUPCAUSE says of the channel that was dialled.
func (a *asterisk) reason(t *testing.T, number string) (text string) {
	t.Helper()
	pattern := regexp.MustCompile(`REASON ` + number + ` \[(.*)\]`)
	eventually(t, a.name+" has a reason for "+number, func() bool {
		m := pattern.FindStringSubmatch(read(t, a.fullLog()))
		if m != nil {
			text = m[1]
		}
		return m != nil
	})
	return text
}

// logs waits until a text stands in Asterisk's log.
func (a *asterisk) logs(t *testing.T, text string) {
	t.Helper()
	eventually(t, a.name+" logs "+text, func() bool { return strings.Contains(read(t, a.fullLog()), text) })
}

// hangup ends all of its calls.
func (a *asterisk) hangup() { a.rx("channel request hangup all") }

// idle waits until it has no call.
func (a *asterisk) idle(t *testing.T) {
	t.Helper()
	eventually(t, a.name+" has no call", func() bool {
		return strings.Contains(a.rx("core show channels count"), "0 active channels")
	})
}

// heard is the finished recording of what it received in the named call.
func (a *asterisk) heard(t *testing.T, name string) string {
	t.Helper()
	return wavFor(t, filepath.Join(a.Dir, name+"-heard.wav"))
}

func (a *asterisk) fullLog() string { return filepath.Join(a.Dir, "full") }

// render fills a template of testdata.
func render(t *testing.T, from, to string, data any) {
	t.Helper()
	parsed, err := template.ParseFiles(from)
	if err != nil {
		t.Fatal(err)
	}
	var text strings.Builder
	if err := parsed.Option("missingkey=error").Execute(&text, data); err != nil {
		t.Fatal(err)
	}
	write(t, to, text.String())
}

// shortDir is a directory whose name is short enough for a unix socket.
func shortDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "cs")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	return dir
}
