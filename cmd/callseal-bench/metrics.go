package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"

	"callseal/bench/load"
)

// gauges reads the metrics at a URL in Prometheus's text format.
func gauges(url string) load.Gauges {
	client := &http.Client{Timeout: answerWithin, Transport: &http.Transport{DisableKeepAlives: true}}
	return func(ctx context.Context) (map[string]float64, error) {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
		if err != nil {
			return nil, fmt.Errorf("--metrics: %w", err)
		}
		res, err := client.Do(req)
		if err != nil {
			return nil, fmt.Errorf("--metrics: %w", err)
		}
		defer func() { _ = res.Body.Close() }()
		if res.StatusCode != http.StatusOK {
			return nil, fmt.Errorf("--metrics %s: %s", url, res.Status)
		}
		sums, err := readMetrics(res.Body)
		if err != nil {
			return nil, fmt.Errorf("--metrics %s: %w", url, err)
		}
		return sums, nil
	}
}

// readMetrics sums each metric up over its labels. Lines that are none are left
// out.
func readMetrics(text io.Reader) (map[string]float64, error) {
	sums := map[string]float64{}
	lines := bufio.NewScanner(text)
	for lines.Scan() {
		line := lines.Text()
		end := strings.LastIndexByte(line, ' ')
		if strings.HasPrefix(line, "#") || end < 0 {
			continue
		}
		name, _, _ := strings.Cut(line[:end], "{")
		if value, err := strconv.ParseFloat(line[end+1:], 64); err == nil {
			sums[name] += value
		}
	}
	return sums, lines.Err()
}
