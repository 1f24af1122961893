// Command callseal seals telephone calls: it ends SIP over TLS on both legs of
// a call and relays the media between them, decrypting on one leg and
// encrypting again on the other.
package main

import (
	"os"

	"github.com/alecthomas/kong"
)

// commands are the subcommands; the Run method of the chosen one is called.
type commands struct {
	Run         runCmd         `cmd:"" help:"Take and place calls until SIGTERM."`
	CheckConfig checkConfigCmd `cmd:"" help:"Say everything that is wrong with a configuration file."`
	Probe       probeCmd       `cmd:"" help:"Try the way to a dialer, a carrier or any SIP server step by step; exit 1 at a fault."`
	Vicidial    vicidialCmd    `cmd:"" help:"Print what to paste into VICIdial, in the order in which to do it, each step with its way back."`
	Demo        demoCmd        `cmd:"" help:"Show sealed calls between built-in phones and dialers."`
	Version     versionCmd     `cmd:"" help:"Print the version."`
	Healthcheck healthcheckCmd `cmd:"" help:"Ask a running callseal whether it is well; exit 1 if not."`
}

func main() {
	var c commands
	ctx := kong.Parse(&c,
		kong.Name("callseal"),
		kong.Description("A session border controller for VICIdial: TLS and SRTP on both legs of every call."),
		kong.UsageOnError(),
		kong.BindTo(os.Stdout, (*output)(nil)),
	)
	ctx.FatalIfErrorf(ctx.Run())
}
