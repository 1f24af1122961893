package main

import "errors"

// runCmd is `callseal run`.
type runCmd struct {
	Config    string `required:"" placeholder:"FILE" help:"The configuration file."`
	LogLevel  string `enum:",debug,info,warn,error" default:"" help:"Overrides log.level: debug, info, warn or error."`
	LogFormat string `enum:",text,json" default:"" help:"Overrides log.format: text or json."`
}

// Run takes and places calls until it is told to stop.
func (c runCmd) Run(output) error { return errors.New("not built yet") }

// checkConfigCmd is `callseal check-config`.
type checkConfigCmd struct {
	File string `arg:"" help:"The configuration file."`
}

// Run prints every error and warning and fails if there is an error.
func (c checkConfigCmd) Run(out output) error { return errors.New("not built yet") }
