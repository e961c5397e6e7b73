euca-c2V0dXAtY3JlZGVudGlhbA==:365
#!/bin/bash
# Example of the user data that launches a load-balancer VM. The cloud takes the first line away: it asks for the VM's
# key pair and certificate, and says for how many days.
cat > /etc/load-balancer-servo/servo.conf <<CONF
ntp_server=0.pool.example.org,1.pool.example.org
app-cookie-duration=24
elb_service_url=loadbalancing.cloud.example.org
euare_service_url=euare.cloud.example.org
objectstorage_service_url=objectstorage.cloud.example.org
simpleworkflow_service_url=simpleworkflow.cloud.example.org
webservice_port=8773
loadbalancer_owner_account=000000000001
agent_load_balancer=web
CONF
chown servo:servo /etc/load-balancer-servo /etc/load-balancer-servo/servo.conf
service load-balancer-servo start
