package console_test

import "github.com/focushq/idp/audit"

func filter(action string) audit.Filter { return audit.Filter{Action: action} }
