package console

func settingRoutes() []Route { return nil }
