// The page: one client, and the element that shows it.

import { ChatClient } from "/client/chatapp.js";

import { ChatApp } from "./elements/chat-app.js";
import { loadIcons } from "./lib/el.js";
import { applyTheme } from "./lib/theme.js";

applyTheme();
void loadIcons();
const app = document.querySelector("chat-app");
if (app instanceof ChatApp) void app.run(new ChatClient());
