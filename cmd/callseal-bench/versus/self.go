package versus

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strconv"
)

// SelfCmd is `callseal-bench self`: another subcommand against a callseal that
// is started for it.
type SelfCmd struct {
	Callseal string   `default:"bin/callseal" placeholder:"FILE" help:"callseal's program; default: bin/callseal."`
	Caller   string   `enum:"tls,udp" default:"tls" help:"How the callers' leg is carried: tls, with SRTP, or udp, in the clear."`
	Answerer string   `enum:"tls,udp" default:"tls" help:"Likewise the answerer's leg."`
	Log      string   `placeholder:"FILE" help:"Keep what callseal writes."`
	Args     []string `arg:"" passthrough:"" help:"The subcommand with its flags, like: smoke --calls 100. Where the server and its files are is added."`
}

// Run starts callseal on loopback, then this program once more.
func (c SelfCmd) Run(out io.Writer) error {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	dir, err := os.MkdirTemp("", "callseal-bench")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	h, err := furnish(dir, oneSuite)
	if err != nil {
		return err
	}
	h.PlainDialer, h.PlainCarrier = c.Caller == "udp", c.Answerer == "udp"
	program, err := absolute(c.Callseal)
	if err != nil {
		return err
	}
	s, err := h.startCallseal(ctx, -1, program)
	if err != nil {
		return err
	}
	defer func() {
		s.stop()
		if c.Log != "" {
			_ = os.Rename(s.log.Name(), c.Log)
		}
	}()
	self, err := os.Executable()
	if err != nil {
		return err
	}
	// An interrupt reaches it from the terminal too; it ends its calls by itself.
	args := append(c.Args, h.flags()...)
	if c.Args[0] == "run" {
		args = append(args, h.runFlags(s.cmd.Process.Pid)...)
	}
	cmd := exec.Command(self, args...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, out, os.Stderr
	err = cmd.Run()
	var ended *exec.ExitError
	if errors.As(err, &ended) {
		return Status(ended.ExitCode())
	}
	return err
}

// Status is an exit status of the program that was run; it has already said why.
type Status int

// Error is for logs.
func (s Status) Error() string { return fmt.Sprintf("exit status %d", int(s)) }

// ExitCode is what kong ends the program with.
func (s Status) ExitCode() int { return int(s) }

// flags say where the server is, and who calls and answers.
func (h *house) flags() []string {
	target, answer := "sips:"+h.target().Address(), "tls://"
	var plain []string
	if h.PlainDialer {
		target, plain = "sip:"+h.target().Address()+";transport=udp", append(plain, "--plain-caller")
	}
	if h.PlainCarrier {
		answer, plain = "udp://", append(plain, "--plain-answer")
	}
	return append(plain,
		"--target="+target, "--ca="+h.CA, "--server-name="+serverName,
		"--from="+netip.AddrPortFrom(dialerAddr, 0).String(), "--answer="+answer+netip.AddrPortFrom(carrierAddr, h.Carrier).String(),
		"--certificate="+filepath.Join(h.Dir, "carrier.pem"), "--key="+filepath.Join(h.Dir, "carrier.key"))
}

// runFlags are those that only `run` knows.
func (h *house) runFlags(pid int) []string {
	flags := []string{"--pid=" + strconv.Itoa(pid), "--metrics=http://" + netip.AddrPortFrom(serverAddr, h.Admin).String() + "/metrics"}
	if h.PlainDialer {
		return flags
	}
	return append(flags, "--caller-listen=tls://"+netip.AddrPortFrom(dialerAddr, h.Dialer).String(),
		"--caller-certificate="+filepath.Join(h.Dir, "dialer.pem"), "--caller-key="+filepath.Join(h.Dir, "dialer.key"))
}
