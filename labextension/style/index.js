import './base.css';
import './panel.css';
import './iterations.css';
import './views.css';
