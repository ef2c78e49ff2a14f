"use strict";

// Shows the OpenAPI document. Nothing is asked of any other host, and credentials are forgotten with the page.
const place = document.getElementById("documentation");

SwaggerUIBundle({
  url: place.dataset.schema,
  domNode: place,
  deepLinking: true,
  validatorUrl: null,
  presets: [SwaggerUIBundle.presets.apis],
  layout: "BaseLayout",
});
