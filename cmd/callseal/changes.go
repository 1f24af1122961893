package main

import (
	"fmt"
	"reflect"
	"slices"
)

// changes names what differs between two configuration files by the places of
// the keys, never by their values. What has a name is called by it:
// "carriers.telco.uri", "dialers.dialer2 added", "routes".
func changes(was, is *rawConfig) []string {
	return differences(reflect.ValueOf(*was), reflect.ValueOf(*is), "")
}

func differences(was, is reflect.Value, place string) []string {
	if was.Kind() == reflect.Pointer && !was.IsNil() && !is.IsNil() {
		was, is = was.Elem(), is.Elem()
	}
	switch {
	case was.Kind() == reflect.Struct:
		var out []string
		for i := range was.NumField() {
			key := was.Type().Field(i).Tag.Get("yaml")
			out = append(out, differences(was.Field(i), is.Field(i), join(place, key))...)
		}
		return out
	case was.Kind() == reflect.Slice && named(was.Type().Elem()):
		return namedDifferences(was, is, place)
	case reflect.DeepEqual(was.Interface(), is.Interface()), was.Kind() == reflect.Slice && was.Len()+is.Len() == 0:
		return nil
	}
	return []string{place}
}

// named tells whether the items of a list are known by a key name.
func named(item reflect.Type) bool {
	if item.Kind() != reflect.Struct {
		return false
	}
	f, ok := item.FieldByName("Name")
	return ok && f.Tag.Get("yaml") == "name"
}

func namedDifferences(was, is reflect.Value, place string) []string {
	index := func(list reflect.Value) (names []string, items map[string]reflect.Value) {
		items = map[string]reflect.Value{}
		for i := range list.Len() {
			name := list.Index(i).FieldByName("Name").String()
			names, items[name] = append(names, name), list.Index(i)
		}
		return names, items
	}
	before, old := index(was)
	after, current := index(is)
	var out, kept []string
	for _, name := range before {
		if _, ok := current[name]; !ok {
			out = append(out, fmt.Sprintf("%s.%s removed", place, name))
			continue
		}
		kept = append(kept, name)
	}
	var still []string
	for _, name := range after {
		if _, ok := old[name]; !ok {
			out = append(out, fmt.Sprintf("%s.%s added", place, name))
			continue
		}
		still = append(still, name)
		out = append(out, differences(old[name], current[name], join(place, name))...)
	}
	if !slices.Equal(kept, still) {
		out = append(out, place+" in another order")
	}
	return out
}
