package admin_test

// expectation is what the row of an event has to say. It stands in the list below, beside which nothing may be recorded.
type expectation struct {
	by        string // who may have done it, of those that doer tells apart
	whom      string // "always", "never", or "" for sometimes: whether the row names a person
	app       string // likewise, a client
	elsewhere string // the test that makes it happen, where the walk does not
}

// expected is what is recorded of what there is: an event that is added gets a line, and a step of the walk or a test of its own.
var expected = map[string]expectation{
	"sign_in":         {by: "person nobody"},
	"sign_in.asked":   {by: "person", whom: "always", app: "always"},
	"sign_out":        {by: "person", whom: "always"},
	"session.ended":   {by: "person staff", whom: "always"},
	"console.entered": {by: "person", whom: "always"},
	"return_refused":  {app: "always", elsewhere: "TestSec_AU01_WhatIsPutOffAndWhereALinkLed"},

	"mfa.enrolled":              {by: "person", whom: "always"},
	"mfa.enroll_refused":        {by: "person", whom: "always"},
	"mfa.authenticator_added":   {by: "person", whom: "always"},
	"mfa.authenticator_renamed": {by: "person", whom: "always"},
	"mfa.authenticator_removed": {by: "person", whom: "always"},
	"mfa.disabled":              {by: "person", whom: "always"},
	"mfa.codes_replaced":        {by: "person", whom: "always"},
	"mfa.passkey_added":         {by: "person", whom: "always"},
	"mfa.passkey_renamed":       {by: "person", whom: "always"},
	"mfa.passkey_removed":       {by: "person", whom: "always"},
	"mfa.reset":                 {by: "staff", whom: "always"},
	"account.mfa_postponed":     {by: "person", whom: "always", app: "always"},

	"mfa.code_accepted":    {by: "person", whom: "always"},
	"mfa.code_refused":     {by: "person", whom: "always"},
	"mfa.code_replayed":    {by: "person", whom: "always"},
	"mfa.clock_wrong":      {by: "person", whom: "always"},
	"mfa.recovery_used":    {by: "person", whom: "always"},
	"mfa.recovery_refused": {by: "person", whom: "always"},
	"mfa.passkey_accepted": {by: "person", whom: "always"},
	"mfa.passkey_refused":  {by: "person nobody", whom: "always"},
	"mfa.passkey_cloned":   {by: "person nobody", whom: "always"},
	"mfa.throttled":        {by: "person", whom: "always"},
	"mfa.warned":           {by: "person nobody", whom: "always"},
	"mfa.sealed":           {by: "person", whom: "always"},
	"mfa.unsealed":         {by: "staff", whom: "always"},
	"mfa.unsealable":       {elsewhere: "TestSec_DR02_MovedSecretsOpenNothing"},

	"mfa.device_remembered": {by: "person", whom: "always"},
	"mfa.device_used":       {by: "person", whom: "always"},
	"mfa.device_forgotten":  {by: "person staff", whom: "always"},
	"mfa.devices_forgotten": {by: "person staff", whom: "always"},

	"account.password_set":         {by: "person staff", whom: "always"},
	"account.password_compromised": {by: "staff", whom: "always"},
	"account.reset_asked":          {by: "nobody"},
	"account.link_made":            {by: "staff nobody", whom: "always"},
	"account.link_used":            {by: "person", whom: "always"},

	"account.created":        {by: "person staff", whom: "always"},
	"account.updated":        {by: "staff person", whom: "always"},
	"account.role_set":       {by: "staff", whom: "always"},
	"account.disabled":       {by: "staff", whom: "always"},
	"account.enabled":        {by: "staff", whom: "always"},
	"account.deleted":        {by: "staff", whom: "always"},
	"account.email_verified": {by: "person", whom: "always"},
	"account.email_changed":  {by: "staff", whom: "always"},
	"people.imported":        {by: "staff", whom: "never"},
	"people.exported":        {by: "staff", whom: "never"},

	"consent":                     {by: "person", whom: "always", app: "always"},
	"oauth.authorized":            {by: "person", whom: "always", app: "always"},
	"oauth.authorization_refused": {by: "person", app: "always"},
	"oauth.device_answered":       {app: "always", elsewhere: "TestDeviceFlow"},
	"oauth.grants_revoked":        {by: "person staff", whom: "always"},
	"oauth.logout_noticed":        {elsewhere: "TestSec_OA18_NoticesAreTriedAgainUntilTheyAreTaken"},
	"oauth.logout_notice_failed":  {elsewhere: "TestSec_OA18_NoticesAreTriedAgainUntilTheyAreTaken"},

	"oauth.token_issued":   {by: "client", whom: "always", app: "always"},
	"oauth.token_refused":  {by: "nobody", app: "always"},
	"oauth.token_revoked":  {by: "client", app: "always"},
	"oauth.code_reused":    {by: "nobody", whom: "always", app: "always"},
	"oauth.refresh_reused": {by: "nobody", whom: "always", app: "always"},

	"oauth.client_created":             {by: "server staff none", whom: "never", app: "always"},
	"oauth.client_updated":             {by: "staff", whom: "never", app: "always"},
	"oauth.client_deleted":             {by: "staff", whom: "never", app: "always"},
	"oauth.client_secret_rotated":      {by: "staff", whom: "never", app: "always"},
	"oauth.client_secret_ended":        {by: "staff", whom: "never", app: "always"},
	"oauth.registration_token_created": {by: "staff", whom: "never"},

	"account.groups_set": {by: "staff", whom: "never"},
	"account.policy_set": {by: "staff", whom: "never"},
	"brand.set":          {by: "staff", whom: "never"},
	"mail.tried":         {by: "person", whom: "always"},
	"oauth.key_created":  {by: "server staff", whom: "never"},
	"oauth.key_revoked":  {by: "staff", whom: "never"},
	"keyset.rotated":     {by: "staff", whom: "never"},
	"keyset.resealed":    {by: "staff", whom: "never"},

	"admin.refused":   {by: "staff"},
	"audit.exported":  {by: "staff", whom: "never"},
	"audit.pruned":    {elsewhere: "TestSec_AU05_RetentionLeavesAProof"},
	"backup.made":     {elsewhere: "TestSec_DR06_ARestoreSpendsEverything"},
	"backup.restored": {elsewhere: "TestSec_DR06_ARestoreSpendsEverything"},
}
