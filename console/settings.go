package console

import "github.com/focushq/idp/admin"

const (
	policyPath = "/admin/policy"
	keysPath   = "/admin/keys"
	brandPath  = "/admin/branding"
	mailPath   = "/admin/mail"
)

// settingRoutes are those of what concerns everybody: policy, signing keys, branding, mail.
func settingRoutes() []Route {
	return []Route{
		{Pattern: "GET " + policyPath, Need: admin.ReadSettings, handle: (*Console).policy},
		{Pattern: "POST " + policyPath + "/preview", Need: admin.WriteSettings, handle: (*Console).previewPolicy},
		{Pattern: "POST " + policyPath, Need: admin.WriteSettings, Fresh: true, handle: (*Console).setPolicy},
		{Pattern: "GET " + keysPath, Need: admin.ReadSettings, handle: (*Console).keys},
		{Pattern: "GET " + keysPath + "/rotate", Need: admin.WriteSettings, Fresh: true, handle: (*Console).askRotate},
		{Pattern: "POST " + keysPath + "/rotate", Need: admin.WriteSettings, Fresh: true, handle: (*Console).rotateKeys},
		{Pattern: "GET " + keysPath + "/{kid}/retire", Need: admin.WriteSettings, Fresh: true, handle: (*Console).askRetire},
		{Pattern: "POST " + keysPath + "/{kid}/retire", Need: admin.WriteSettings, Fresh: true, handle: (*Console).retireKey},
		{Pattern: "GET " + brandPath, Need: admin.ReadSettings, handle: (*Console).branding},
		{Pattern: "POST " + brandPath, Need: admin.WriteSettings, Fresh: true, Upload: true, handle: (*Console).setBrand},
		{Pattern: "GET " + mailPath, Need: admin.ReadSettings, handle: (*Console).mail},
		{Pattern: "POST " + mailPath + "/test", Need: admin.WriteSettings, handle: (*Console).tryMail},
	}
}
