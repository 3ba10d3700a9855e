/** The plugins of Athena's front end. */
import { highlightPlugin } from './plugins/highlight.js';
import { outputsPlugin } from './plugins/outputs.js';
import { schedulePlugin } from './plugins/schedule.js';
import { sidebarPlugin } from './plugins/sidebar.js';
import { versionsPlugin } from './plugins/versions.js';

export default [schedulePlugin, sidebarPlugin, versionsPlugin, outputsPlugin, highlightPlugin];
