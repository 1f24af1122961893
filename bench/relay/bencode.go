package relay

import (
	"bytes"
	"fmt"
	"maps"
	"slices"
	"strconv"
)

// dict is a bencode dictionary. Its values, and those of lists, are string,
// int64, []any or dict.
type dict map[string]any

// bencode writes the value of the ng protocol's messages, dictionaries with
// sorted keys.
func bencode(value any) []byte {
	switch v := value.(type) {
	case string:
		return fmt.Appendf(nil, "%d:%s", len(v), v)
	case int64:
		return fmt.Appendf(nil, "i%de", v)
	case []any:
		out := []byte{'l'}
		for _, item := range v {
			out = append(out, bencode(item)...)
		}
		return append(out, 'e')
	case dict:
		out := []byte{'d'}
		for _, key := range slices.Sorted(maps.Keys(v)) {
			out = append(out, bencode(key)...)
			out = append(out, bencode(v[key])...)
		}
		return append(out, 'e')
	}
	return nil
}

// maxDepth bounds how deep lists and dictionaries may be nested.
const maxDepth = 16

// bdecode reads one value, after which nothing may follow.
func bdecode(data []byte) (any, error) {
	value, rest, err := bvalue(data, 0)
	if err == nil && len(rest) > 0 {
		err = fmt.Errorf("%w: %d bytes after the end", ErrAnswer, len(rest))
	}
	return value, err
}

func bvalue(data []byte, depth int) (value any, rest []byte, err error) {
	switch {
	case len(data) == 0 || depth > maxDepth:
		return nil, nil, fmt.Errorf("%w: bencode ends early or is nested too deep", ErrAnswer)
	case data[0] == 'i':
		digits, rest, ok := bytes.Cut(data[1:], []byte("e"))
		n, err := strconv.ParseInt(string(digits), 10, 64)
		if !ok || err != nil {
			return nil, nil, fmt.Errorf("%w: bad number in bencode", ErrAnswer)
		}
		return n, rest, nil
	case data[0] == 'l':
		return blist(data[1:], depth+1)
	case data[0] == 'd':
		return bdict(data[1:], depth+1)
	}
	return bstring(data)
}

func bstring(data []byte) (value any, rest []byte, err error) {
	digits, rest, ok := bytes.Cut(data, []byte(":"))
	n, err := strconv.ParseUint(string(digits), 10, 31)
	if !ok || err != nil || n > uint64(len(rest)) {
		return nil, nil, fmt.Errorf("%w: bad string in bencode", ErrAnswer)
	}
	return string(rest[:n]), rest[n:], nil
}

func blist(data []byte, depth int) (value any, rest []byte, err error) {
	list := []any{}
	for len(data) > 0 && data[0] != 'e' {
		var item any
		if item, data, err = bvalue(data, depth); err != nil {
			return nil, nil, err
		}
		list = append(list, item)
	}
	if len(data) == 0 {
		return nil, nil, fmt.Errorf("%w: bencode list without end", ErrAnswer)
	}
	return list, data[1:], nil
}

func bdict(data []byte, depth int) (value any, rest []byte, err error) {
	items, rest, err := blist(data, depth)
	if err != nil {
		return nil, nil, err
	}
	list := items.([]any)
	if len(list)%2 != 0 {
		return nil, nil, fmt.Errorf("%w: bencode key without value", ErrAnswer)
	}
	d := dict{}
	for i := 0; i < len(list); i += 2 {
		key, ok := list[i].(string)
		if !ok {
			return nil, nil, fmt.Errorf("%w: bencode key is no string", ErrAnswer)
		}
		d[key] = list[i+1]
	}
	return d, rest, nil
}
