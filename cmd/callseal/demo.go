package main

import "errors"

// demoCmd shows sealed calls between built-in endpoints.
type demoCmd struct{}

// Run runs the demo.
func (demoCmd) Run(output) error { return errors.New("not built yet") }
