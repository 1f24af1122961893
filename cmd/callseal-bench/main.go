// Command callseal-bench judges a SIP server from outside: it calls itself
// through the server and counts what arrives.
package main

import (
	"errors"
	"io"
	"os"

	"github.com/alecthomas/kong"

	"callseal/bench/show"
	"callseal/cmd/callseal-bench/versus"
)

// commands are the subcommands; the Run method of the chosen one is called.
type commands struct {
	Smoke     smokeCmd     `cmd:"" help:"Place a few calls through a server and prove that they are sealed."`
	Run       runCmd       `cmd:"" help:"Run a scenario against a server."`
	Scenarios scenariosCmd `cmd:"" help:"List the scenarios."`

	Media       versus.TargetCmd `cmd:"" help:"Relay audio through rtpengine or a bare UDP relay, and prove what arrives."`
	VersusMedia versus.MediaCmd  `cmd:"" help:"Relay audio with callseal, rtpengine and a bare UDP relay in turns, and set their cost against each other."`
	VersusSip   versus.SIPCmd    `cmd:"" help:"Pass calls with callseal and Kamailio in turns, and set their cost against each other."`
	Memory      versus.MemoryCmd `cmd:"" help:"Keep answered calls up through callseal, and say what memory each of them takes."`
	Self        versus.SelfCmd   `cmd:"" help:"Start a callseal on loopback and run another subcommand against it."`
	RelayFloor  versus.FloorCmd  `cmd:"" hidden:"" help:"Be the bare UDP relay."`
}

// output is where a subcommand prints its results.
type output interface{ io.Writer }

func main() {
	var c commands
	ctx := kong.Parse(&c,
		kong.Name("callseal-bench"),
		kong.Description("Judges a SIP server from outside, with a caller and an answerer of its own."),
		kong.UsageOnError(),
		kong.Exit(func(status int) { os.Exit(exitStatus(status)) }),
		kong.BindTo(os.Stdout, (*output)(nil)),
		kong.BindTo(os.Stdout, (*io.Writer)(nil)),
	)
	err := ctx.Run()
	var said versus.Status
	if errors.As(err, &said) {
		os.Exit(said.ExitCode()) // it has said why
	}
	ctx.FatalIfErrorf(err)
}

// exitStatus is 1 for a command line that kong cannot understand: its own 80
// would be one more for scripts to know.
func exitStatus(status int) int {
	const usage = 80
	if status == usage {
		return show.StatusFailed
	}
	return status
}
