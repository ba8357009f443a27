// Puts Stripe's Payment Element into the form. Card details go from its frame to Stripe; what comes to us is the form,
// and what it says is not believed: the server asks Stripe what became of the set-up.
"use strict";

const form = document.getElementById("checkout");
const choice = document.getElementById("new-card");
const place = document.getElementById("stripe-form");
const wrong = document.getElementById("form-error");

function tell(text) {
  wrong.textContent = text;
  wrong.hidden = !text;
}

function start() {
  if (typeof Stripe === "undefined") {
    choice.disabled = true;
    tell(form.dataset.failed);
    return;
  }
  const stripe = Stripe(form.dataset.stripeKey);
  const elements = stripe.elements({ clientSecret: form.dataset.clientSecret });
  elements.create("payment").mount(place);

  const reveal = () => { place.hidden = !choice.checked; };
  form.addEventListener("change", reveal);
  reveal();

  form.addEventListener("submit", async (event) => {
    if (!choice.checked) return;
    event.preventDefault();
    const button = form.querySelector("button");
    button.disabled = true;
    tell("");
    const { error } = await stripe.confirmSetup({
      elements,
      redirect: "if_required",
      confirmParams: { return_url: form.dataset.returnUrl },
    });
    if (error) {
      tell(error.message);
      button.disabled = false;
    } else {
      form.submit();
    }
  });
}

if (form && choice) start();
