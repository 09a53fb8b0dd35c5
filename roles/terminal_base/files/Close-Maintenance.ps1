# Ends a maintenance window: afterwards nobody reaches the terminal over the network. Ansible asks for it in some seconds,
# so that the answer still gets through; the task that Open-Maintenance.ps1 made runs it when a window's time is over.
param(
    # the local account of the controller
    [string] $Account = 'ansible',
    [ValidateRange(0, 600)] [int] $InSeconds = 0
)
$ErrorActionPreference = 'Stop'
$script = 'C:\Program Files\Renkei\maintenance\Close-Maintenance.ps1'
if ($InSeconds -gt 0) {
    $close = New-ScheduledTaskAction -Execute powershell.exe `
        -Argument "-NoProfile -ExecutionPolicy Bypass -File `"$script`" -Account $Account"
    $when = New-ScheduledTaskTrigger -Once -At (Get-Date).AddSeconds($InSeconds)
    $late = New-ScheduledTaskSettingsSet -StartWhenAvailable
    $null = Register-ScheduledTask -TaskName renkei-maintenance-end -Action $close -Trigger $when -Settings $late `
        -User SYSTEM -RunLevel Highest -Force
    return
}
$before = Get-ItemProperty 'HKLM:\SOFTWARE\Renkei\Maintenance' -ErrorAction SilentlyContinue
$start = if ($before.WinRM) { $before.WinRM } else { 'Disabled' }
$filter = if ($before.TokenFilter) { $before.TokenFilter } else { 0 }

# the door first: what follows may fail without leaving it open
$rules = 'HKLM:\SOFTWARE\Policies\Microsoft\WindowsFirewall\FirewallRules'
Remove-ItemProperty $rules -Name renkei-maintenance -ErrorAction SilentlyContinue
Get-NetFirewallRule -DisplayName renkei-staging -ErrorAction SilentlyContinue | Remove-NetFirewallRule
Disable-LocalUser $Account
$system = 'HKLM:\SOFTWARE\Microsoft\Windows\CurrentVersion\Policies\System'
Set-ItemProperty $system -Name LocalAccountTokenFilterPolicy -Value $filter -Type DWord
Get-ChildItem WSMan:\localhost\ClientCertificate | Remove-Item -Recurse -Force
Set-Service WinRM -StartupType $start
if ($start -eq 'Disabled') { Stop-Service WinRM -Force }
Remove-Item 'HKLM:\SOFTWARE\Renkei\Maintenance' -Recurse -ErrorAction SilentlyContinue
Unregister-ScheduledTask -TaskName renkei-maintenance-end -Confirm:$false -ErrorAction SilentlyContinue
