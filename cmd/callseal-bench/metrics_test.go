package main

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

func TestGauges(t *testing.T) {
	text := "# HELP calls Calls.\n# TYPE calls gauge\ncalls{from=\"a b\",to=\"c\"} 2\ncalls{from=\"d\",to=\"c\"} 3\ngo_goroutines 41\nbad line\n\nbig 1.5e+06\n"
	status := http.StatusOK
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(status)
		_, _ = w.Write([]byte(text))
	}))
	read := gauges(server.URL)
	got, err := read(t.Context())
	if err != nil || len(got) != 3 || got["calls"] != 5 || got["go_goroutines"] != 41 || got["big"] != 1.5e6 {
		t.Errorf("%v, %v", got, err)
	}
	status = http.StatusForbidden
	if _, err := read(t.Context()); err == nil || !strings.Contains(err.Error(), "--metrics "+server.URL+": 403") {
		t.Errorf("error %v", err)
	}
	server.Close()
	if _, err := read(t.Context()); err == nil || !strings.Contains(err.Error(), "--metrics: ") {
		t.Errorf("error %v", err)
	}
}
